/** The one client of the bench: starts runs, sends messages and waits for ends, with the SDK (WRIT_URL, WRIT_KEY_FILE). */
import { connect } from '@writ/sdk';
import { quantile } from '../bench.js';
import { loopTasks } from './closed-loop.js';
import { flows } from './flows.js';
import { obey } from './program.js';

export interface Starting {
  readonly flow: keyof typeof flows;
  readonly count: number;
  readonly input?: unknown;
}

/** To runs in the order in which this client has started them, from the first that has got no message yet. */
export interface Sending {
  readonly count: number;
  /** Default: as fast as with `AT_ONCE` in flight. */
  readonly perSecond?: number;
}

export interface Took {
  readonly seconds: number;
  /** Of one call until its answer. */
  readonly p99Ms: number;
}

export interface Following {
  readonly runs: number;
  readonly chunks: number;
  /** Of each; 0: as fast as there is room. */
  readonly perSecond: number;
}

export interface Followed {
  readonly seconds: number;
  readonly deltas: number;
  readonly missed: number;
  /** From the step to the reader. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const AT_ONCE = 512;
const writ = connect();
const waiting: string[] = [];
let sent = 0;
let n = 0;

async function threeStepsOnce(): Promise<void> {
  const wanted = ++n;
  const run = await writ.start(flows.threeSteps, { n: wanted });
  const value = await run.result();
  if (value !== wanted + 3) throw new Error(`${run.id} gave ${value} for ${wanted}`);
}

async function timed(count: number, atOnce: number, one: () => Promise<unknown>): Promise<Took> {
  const [began, times] = [performance.now(), [] as number[]];
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      const start = performance.now();
      await one();
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return tookOf(times, began);
}

const tookOf = (times: number[], began: number): Took => ({
  seconds: (performance.now() - began) / 1000,
  p99Ms: quantile(
    times.sort((a, b) => a - b),
    0.99,
  ),
});

async function sendNext(): Promise<void> {
  const id = waiting[sent++];
  if (id === undefined) throw new Error('no run of this client waits any more');
  await writ.run(id, flows.listener).send('go', { sentMs: Date.now() });
}

/** Whoever is late with an answer does not hold up the next. */
async function atRate(count: number, perSecond: number): Promise<Took> {
  const [began, times, calls] = [performance.now(), [] as number[], [] as Promise<void>[]];
  for (let begun = 0; begun < count; await new Promise((resolve) => setTimeout(resolve, 5))) {
    const due = Math.min(count, ((performance.now() - began) * perSecond) / 1000);
    for (; begun < due; begun++) {
      const start = performance.now();
      calls.push(sendNext().then(() => void times.push(performance.now() - start)));
    }
  }
  await Promise.all(calls);
  return tookOf(times, began);
}

/** Runs that write, each with a reader of its own from its start to its end. */
async function follow({ runs, chunks, perSecond }: Following): Promise<Followed> {
  const [began, times] = [performance.now(), [] as number[]];
  let missed = 0;
  const one = async () => {
    const run = await writ.start(flows.tokens, { chunks, perSecond });
    for await (const delta of run.stream()) {
      if (delta.type === 'data') times.push(performance.timeOrigin + performance.now() - (delta.data as number));
      if (delta.type === 'missed') missed += delta.chunks;
    }
  };
  await Promise.all(Array.from({ length: runs }, one));
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  return { seconds, deltas: times.length, missed, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

obey({
  follow,
  ...loopTasks(threeStepsOnce),
  start: ({ flow, count, input }: Starting): Promise<Took> =>
    timed(count, AT_ONCE, async () => {
      const { id } = await writ.start(flows[flow] as typeof flows.threeSteps, input as { n: number });
      if (flow === 'listener') waiting.push(id);
    }),
  send: ({ count, perSecond }: Sending): Promise<Took> =>
    perSecond === undefined ? timed(count, AT_ONCE, sendNext) : atRate(count, perSecond),
});
process.stdin.on('end', () => process.exit());
