import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Run, type Writ } from '@writ/sdk';
import { eventually, startProcess, type ProjectProcess } from '@writ/testkit';
import type { Rest } from '../../demo/rest.js';
import { patiently } from '../patiently.js';
import { peopleOf } from '../stack/people.js';
import { startFaultStack, type FaultStack } from '../stack/stack.js';
import { workflows, type Kind } from './workflows.js';

export interface SchedulerSoak {
  /** How many runs of each kind; a parent has a child beside. */
  readonly runs: Readonly<Record<Kind, number>>;
  /** Another scheduler that lives on. */
  readonly replica: boolean;
  readonly say: (line: string) => void;
}

export interface SchedulerReport {
  readonly runs: number;
  /** From the kill to the first and to the last end of a run that was under way. */
  readonly firstEndMs: number;
  readonly allEndedMs: number;
  readonly broken: readonly string[];
}

interface Started {
  readonly kind: Kind;
  readonly key: string;
  readonly run: Run<unknown>;
}

const policies = `permit (principal, action, resource);`;
const PATIENCE_MS = 120_000;
const AT_ONCE = 32;

/** Kills the scheduler while runs are in every place that a run can be in, and looks at how they end. */
export async function soakScheduler(options: SchedulerSoak): Promise<SchedulerReport> {
  const { say } = options;
  const stack = await startFaultStack('');
  try {
    const { person, agent, agentKeyFile } = await peopleOf(stack);
    await person.put('/v1/policies', { files: [{ name: 'all.cedar', text: policies }], mode: 'POLICY_MODE_ENFORCE' });
    await using worker = startProcess('e2e/faults/scheduler/worker.ts', {
      env: { WRIT_URL: stack.url, WRIT_KEY_FILE: agentKeyFile },
    });
    await worker.line(/^serving$/);
    if (options.replica) await stack.addReplica('scheduler');
    await using writ = connect({ url: stack.url, token: () => agent.accessToken() });
    const started = await startAll(writ, options.runs);
    say(`${started.length} runs are started`);
    const working = started.filter(({ kind }) => kind === 'worker').length;
    await eventually(() => began(worker).length >= working + options.runs.sleeper + options.runs.parent, {
      timeoutMs: PATIENCE_MS,
      what: 'every run is where it should be when the scheduler dies',
    });
    const results = await killAndAwait(stack, person, started, say);
    const broken = [
      ...results.broken,
      ...(await recordedTwice(person, started)),
      ...executedTwice(worker),
      ...(worker.running ? [] : [`the worker ended: ${worker.lines.slice(-5).join(' | ')}`]),
    ];
    await worker.stop();
    const { code } = await stack.stop();
    if (code !== 0) broken.push(`the stack ended with ${code}`);
    return { ...results, runs: started.length + options.runs.parent, broken };
  } finally {
    await stack.remove();
  }
}

async function startAll(writ: Writ, runs: SchedulerSoak['runs']): Promise<Started[]> {
  const wanted = Object.entries(runs).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, at) => ({ kind: kind as Kind, key: `${kind}-${at}` })),
  );
  // Those that wait first, those that are busy last: they are to be in the middle of it.
  wanted.sort((a, b) => Number(a.kind === 'worker') - Number(b.kind === 'worker'));
  return each(wanted, async ({ kind, key }) => ({
    kind,
    key,
    run: (await writ.start(workflows[kind], { key }, { id: `run_${key}` })) as Run<unknown>,
  }));
}

async function killAndAwait(
  stack: FaultStack,
  person: Rest,
  started: readonly Started[],
  say: (line: string) => void,
): Promise<Omit<SchedulerReport, 'runs'>> {
  const killed = performance.now();
  stack.kill('scheduler');
  say('the scheduler is killed');
  let firstEndMs: number | undefined;
  const ends = started.map(async ({ key, run }) => {
    const value = await run.result({ timeout: '3m' }).catch((error: unknown) => `${String(error)}`);
    firstEndMs ??= Math.round(performance.now() - killed);
    return value === key ? [] : [`${run.id} gave ${JSON.stringify(value)}`];
  });
  const messages = started.filter(({ kind }) => kind === 'listener');
  // Each twice: the second of the same idempotency key must not count.
  for (const message of ['first', 'again', 'second'])
    await each(messages, ({ key, run }) => {
      const idempotencyKey = `${key}/${message === 'second' ? 'second' : 'first'}`;
      return patiently(PATIENCE_MS, () => run.send('go', { key }, { idempotencyKey }));
    });
  const approving = approveAll(person, started.filter(({ kind }) => kind === 'asker').length);
  const broken = (await Promise.all(ends)).flat();
  const allEndedMs = Math.round(performance.now() - killed);
  await approving;
  return { firstEndMs: firstEndMs ?? NaN, allEndedMs, broken };
}

async function approveAll(person: Rest, count: number): Promise<void> {
  for (let given = 0; given < count;)
    try {
      const { approvals } = await person.get<{ approvals: { id: string; argumentsDigest: string }[] }>(
        '/v1/approvals?page_size=1000',
      );
      for (const { id, argumentsDigest } of approvals) {
        await person.post(`/v1/approvals/${id}:decide`, { verdict: 'approve', reason: 'a test', argumentsDigest });
        given++;
      }
      await delay(100);
    } catch {
      await delay(200); // decided already, and not seen yet; or somebody is away
    }
}

/** Every run ended once, and every step of it is in the ledger once. */
async function recordedTwice(person: Rest, started: readonly Started[]): Promise<string[]> {
  const broken: string[] = [];
  const once = async (type: string, nameOf: (event: { subject: string; data: { name?: string } }) => string) => {
    const seen = new Map<string, number>();
    for (let pageToken = ''; ;) {
      const query = new URLSearchParams({ type, page_size: '1000', page_token: pageToken });
      const page = await person.get<{
        events?: { event: { subject: string; data: { name?: string } } }[];
        nextPageToken?: string;
      }>(`/v1/audit/events?${query}`);
      for (const { event } of page.events ?? []) seen.set(nameOf(event), (seen.get(nameOf(event)) ?? 0) + 1);
      if (!page.nextPageToken) break;
      pageToken = page.nextPageToken;
    }
    for (const [what, times] of seen) if (times > 1) broken.push(`${type} of ${what} is in the ledger ${times} times`);
    return seen;
  };
  const ends = await eventually(
    async () => {
      const found = await once('run.succeeded.v1', ({ subject }) => subject);
      return started.every(({ run }) => found.has(run.id)) && found;
    },
    { timeoutMs: 30_000, everyMs: 500, what: 'every end is in the index of the record' },
  ).catch((error: Error) => broken.push(error.message));
  void ends;
  await once('run.step_completed.v1', ({ subject, data }) => `${subject}/${data.name}`);
  return broken;
}

const began = ({ lines }: ProjectProcess): string[] => lines.filter((line) => line.startsWith('began '));

/** The worker lived, so no code of a step had a reason to run again. */
function executedTwice(worker: ProjectProcess): string[] {
  const all = began(worker);
  const twice = all.length - new Set(all).size;
  return twice > 0 ? [`${twice} steps ran twice in a worker that lived`] : [];
}

/** Some at a time. */
async function each<T, R>(things: readonly T[], act: (thing: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < things.length; from += AT_ONCE)
    results.push(...(await Promise.all(things.slice(from, from + AT_ONCE).map(act))));
  return results;
}
