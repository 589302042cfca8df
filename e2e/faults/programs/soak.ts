import { setTimeout as delay } from 'node:timers/promises';
import { connect, WritError, type Run, type Writ } from '@writ/sdk';
import { patiently } from '../patiently.js';
import { checkRuns, type Ended } from './checks.js';
import { Model } from './model.js';
import { placeOf } from './narrow.js';
import { caseOf, type Case } from './program.js';
import { setStage } from './stage.js';
import { startStorm } from './storm.js';
import { program } from './workflow.js';

export interface ProgramSoak {
  /** Programs, made from `seed`, `seed + 1`, ... */
  readonly cases: number;
  readonly seed: number;
  readonly inFlight: number;
  /** Between two faults, at least and at most. */
  readonly faultEveryMs: readonly [number, number];
  /** Of the programs that ended, one in so many is replayed strictly against its record. */
  readonly replayEvery: number;
  readonly say: (line: string) => void;
}

export interface ProgramReport {
  readonly ended: Readonly<Record<Ended['state'], number>>;
  readonly events: number;
  readonly replayed: number;
  /** How often each fault was made. */
  readonly faults: ReadonlyMap<string, number>;
  /** Each promise that did not hold, in a sentence, with the seed of the case. */
  readonly broken: readonly string[];
}

const RESULT_MS = 180_000;
const PATIENCE_MS = 60_000;
const TELL_EVERY = 100;

/** Runs random programs while their platform is killed and paused under them, and compares what came out with a model. */
export async function soakPrograms(options: ProgramSoak): Promise<ProgramReport> {
  const { seed } = options;
  await using stage = await setStage();
  await using writ = connect({ url: stage.stack.url, token: () => stage.people.agent.accessToken() });
  const cases = Array.from({ length: options.cases }, (_, at) => caseOf(seed + at));
  const storm = startStorm(stage, options);
  let ended: Ended[];
  try {
    ended = await playAll(writ, cases, options);
  } finally {
    await storm.stop();
  }
  const faults = await storm.stop();
  await stage.stack.complete(PATIENCE_MS);
  const { broken, events } = await checkRuns(stage, ended);
  const replayed = await replaySome(writ, ended, options.replayEvery);
  const states = { succeeded: 0, failed: 0, cancelled: 0, stuck: 0 };
  for (const { state } of ended) states[state]++;
  return { ended: states, events, faults, replayed: replayed.count, broken: [...broken, ...replayed.broken] };
}

async function playAll(writ: Writ, cases: readonly Case[], { inFlight, say }: ProgramSoak): Promise<Ended[]> {
  const rest = [...cases];
  const ended: Ended[] = [];
  const player = async (): Promise<void> => {
    for (let next = rest.shift(); next; next = rest.shift()) {
      ended.push(await play(writ, next));
      if (ended.length % TELL_EVERY === 0) say(`${ended.length} of ${cases.length} programs have ended`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, player));
  return ended;
}

/** Starts one program, does to it what the case says, and waits for its end. */
async function play(writ: Writ, each: Case): Promise<Ended> {
  const handles = await Promise.all(
    Array.from({ length: each.starts }, () =>
      patiently(PATIENCE_MS, () =>
        writ.start(
          program,
          { program: each.program },
          { id: each.run, onConflict: 'attach', ...placeOf(each), ...limitsOf(each) },
        ),
      ),
    ),
  );
  const run = handles[0] as Run<unknown>;
  const outside = [...each.messages.map((message) => send(run, message)), cancel(run, each)];
  const [outcome] = await Promise.all([outcomeOf(run), ...outside]);
  return { case: each, model: Model.of(each), ...outcome };
}

/** Every second program has a budget that its children are counted in. */
const limitsOf = ({ seed }: Case) => (seed % 2 === 0 ? { limits: { children: 10_000 } } : {});

/** Every sending of it at once: the ledger is to count one. */
async function send(run: Run, { name, data, afterMs, times }: Case['messages'][number]): Promise<void> {
  await delay(afterMs);
  const idempotencyKey = `${run.id}/${name}`;
  const sending = (): Promise<void> =>
    patiently(PATIENCE_MS, () => run.send(name as never, data as never, { idempotencyKey }));
  await Promise.all(Array.from({ length: times }, sending)).catch((error: unknown) => {
    if (!WritError.is(error, 'run.ended')) throw error; // it failed, or was cancelled, before it could take it
  });
}

async function cancel(run: Run, { cancelAfterMs }: Case): Promise<void> {
  if (cancelAfterMs === undefined) return;
  await delay(cancelAfterMs);
  await patiently(PATIENCE_MS, () => run.cancel({ reason: 'the case says so' }));
}

async function outcomeOf(run: Run<unknown>): Promise<Pick<Ended, 'state' | 'outcome'>> {
  try {
    return { state: 'succeeded', outcome: { value: await run.result({ timeout: RESULT_MS }) } };
  } catch (error) {
    if (!WritError.is(error)) throw error;
    const { code } = error;
    if (code === 'request.deadline_exceeded') return { state: 'stuck', outcome: { code } };
    return { state: code === 'run.cancelled' ? 'cancelled' : 'failed', outcome: { code } };
  }
}

async function replaySome(writ: Writ, ended: readonly Ended[], every: number) {
  const broken: string[] = [];
  const some = ended.filter(({ state }, at) => state !== 'stuck' && at % every === 0);
  for (const { case: each } of some) {
    const { same, firstDifference } = await patiently(PATIENCE_MS, () => writ.run(each.run).replay());
    if (!same) broken.push(`seed ${each.seed}: its replay differs: ${JSON.stringify(firstDifference)}`);
  }
  return { count: some.length, broken };
}
