import { setTimeout as delay } from 'node:timers/promises';
import { startProcess, processesBelow } from '@writ/testkit';
import { random, shuffled } from '../random.js';
import { castOf } from './cast.js';
import {
  checkEffects,
  checkHeld,
  checkLeftOver,
  checkRecord,
  checkResults,
  checkViews,
  heldBy,
  type Findings,
} from './checks.js';
import { controlGroupsOf } from '../stack/host.js';
import { startJournal } from './journal.js';
import { services, startFaultStack, type FaultStack, type Service } from '../stack/stack.js';
import { startWorkload, type Errand } from './workload.js';

export interface SoakOptions {
  /** How long services are killed; what follows until all has ended takes its own time. */
  readonly seconds: number;
  readonly seed: number;
  /** Gets a line for each thing that happens. */
  readonly say: (line: string) => void;
  readonly killEveryMs: number;
  /** How often PostgreSQL is killed, and started again two seconds later. */
  readonly postgresKills: number;
  /** How many runs are under way at once; each has a sub-agent. */
  readonly inFlight: number;
  /** Whether to wait until the broker has forgotten the consumers of killed processes, which takes more than a minute. */
  readonly waitForConsumers: boolean;
}

const POSTGRES_AWAY_MS = 2_000;
const COMPLETE_MS = 60_000;

/** What a soak has seen. */
export interface SoakReport {
  /** How often each was killed. */
  readonly kills: ReadonlyMap<string, number>;
  /** Figures. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Each promise that did not hold, in a sentence. */
  readonly broken: Findings;
  /** What the stack and the worker wrote on stderr. */
  readonly said: readonly string[];
}

/** Kills every service again and again under a workload, and looks at what came of it. */
export async function soakServices(options: SoakOptions): Promise<SoakReport> {
  await using journal = await startJournal();
  const stack = await startFaultStack(journal.host);
  try {
    const cast = await castOf(stack, journal);
    await using worker = startProcess('e2e/faults/services/worker.ts', {
      env: { WRIT_URL: stack.url, WRIT_KEY_FILE: cast.agentKeyFile },
    });
    await worker.line(/^serving$/);
    options.say(`the stack serves at ${stack.url}, data in ${stack.folder}`);
    const workload = startWorkload(stack.url, cast, options.inFlight);
    const watched = watchProgress(() => workload.ended.length);
    const before = await settled(stack);
    const kills = await killAll(stack, options);
    await stack.complete(COMPLETE_MS);
    options.say('every service is up again');
    await workload.finish();
    const stalls = watched();
    const errands = workload.ended;
    options.say(`${errands.length} errands have ended`);
    const { findings, held } = await checkHeld(stack, before, options.waitForConsumers);
    const broken: Findings = [
      ...checkResults(errands),
      ...(await checkViews(errands, cast)),
      ...(await checkEffects(errands, cast, journal)),
      ...(await checkRecord(cast)),
      ...findings,
      ...(worker.running ? [] : [`the worker ended: ${worker.lines.slice(-5).join(' | ')}`]),
    ];
    await worker.stop();
    const processes = processesBelow(stack.pid);
    const groups = controlGroupsOf(processes);
    const { code, ms } = await stack.stop();
    if (code !== 0) broken.push(`the stack ended with ${code}: ${stack.said.slice(-5).join(' | ')}`);
    broken.push(...(await checkLeftOver(stack, processes, groups)));
    const facts = {
      ...factsOf(errands),
      'longest time without an end, ms': stalls,
      'connections to NATS': `${before.natsConnections} before, ${held.natsConnections} after`,
      'consumers that nobody reads': held.abandoned,
      'stop of the stack, ms': ms,
    };
    return { kills, facts, broken, said: [...stack.said, ...worker.lines] };
  } finally {
    await stack.remove();
  }
}

/** A moment after the start everything that is opened lazily is open. */
async function settled(stack: FaultStack) {
  await stack.complete(COMPLETE_MS);
  await delay(2_000);
  return heldBy(stack);
}

async function killAll(stack: FaultStack, options: SoakOptions): Promise<Map<string, number>> {
  const { seconds, seed, killEveryMs, postgresKills, say } = options;
  const next = random(seed);
  const kills = new Map<string, number>([...services, 'postgresql'].map((name) => [name, 0]));
  const count = (name: string): void => void kills.set(name, (kills.get(name) ?? 0) + 1);
  const rounds = Math.floor((seconds * 1000) / killEveryMs);
  const postgresAt = new Set(
    Array.from({ length: postgresKills }, (_, at) => Math.round(((at + 1) * rounds) / (postgresKills + 1))),
  );
  let order: Service[] = [];
  let postgres = Promise.resolve();
  for (let round = 0; round < rounds; round++) {
    await delay(killEveryMs);
    if (order.length === 0) order = shuffled(services, next);
    const service = order.shift() as Service;
    const killed = stack.kill(service);
    if (killed) count(service);
    say(`${service} ${killed ? 'is killed' : 'is not up yet'}`);
    if (!postgresAt.has(round)) continue;
    count('postgresql');
    say('PostgreSQL is killed');
    postgres = postgres.then(() => restartPostgres(stack));
  }
  await postgres;
  return kills;
}

async function restartPostgres({ postgres }: FaultStack): Promise<void> {
  await postgres.kill();
  await delay(POSTGRES_AWAY_MS);
  await postgres.restart();
}

/** @returns asks for the longest time in milliseconds in which the number did not grow */
function watchProgress(count: () => number): () => number {
  let [last, at, longest] = [count(), performance.now(), 0];
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - at);
    if (count() > last) [last, at] = [count(), performance.now()];
  }, 50);
  return () => {
    clearInterval(timer);
    return Math.round(longest);
  };
}

function factsOf(errands: readonly Errand[]): Record<string, string | number> {
  const times = errands.map(({ ms }) => ms).sort((a, b) => a - b);
  const of = (test: (errand: Errand) => boolean): number => errands.filter(test).length;
  return {
    'errands (each with a sub-agent)': errands.length,
    'ended as they should': of(({ result }) => result !== undefined),
    'with an effect told unknown': of(({ result }) => result?.appended === 'unknown' || result?.filed === 'unknown'),
    'that lost a sandbox': of(({ result }) => (result?.sandboxes ?? 1) > 1),
    'one errand, ms': `p50 ${times[Math.floor(times.length / 2)]}, longest ${times.at(-1)}`,
  };
}
