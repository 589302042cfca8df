import { defineBench, type Measurement, type Target } from './bench.js';
import { writePage } from './workflows/document.js';
import { failover } from './workflows/failover.js';
import { messages } from './workflows/messages.js';
import { history, waitingMillion } from './workflows/million.js';
import { owners } from './workflows/owners.js';
import { parked } from './workflows/parked.js';
import { throughput, throughputParts } from './workflows/throughput.js';
import { timers } from './workflows/timers.js';

/** Each has a new stack to itself. */
const alone = {
  parked50k: parked,
  messages,
  timers50k: timers,
  failover50k: failover,
  owners,
  waiting1m: waitingMillion,
  history,
} as const;
const say = (line: string) => void process.stderr.write(`    ${line}\n`);

const targets: Readonly<Record<string, Target>> = {
  writ64PerRestate: { atLeast: 8 },
  writ256PerRestate: { atLeast: 8 },
  writ64PerDbos: { atLeast: 20 },
  writ256PerDbos: { atLeast: 20 },
  writAloneP50PerRestate: { atMost: 1 / 3 },
  parked50kSeconds: { atMost: 20 },
  parked50kRssMib: { atMost: 800 },
  messaged50kSeconds: { atMost: 30 },
  messageP99Ms: { atMost: 50 },
  timers50kSeconds: { atMost: 10 },
  failover50kSeconds: { atMost: 5 },
  failover50kLost: { atMost: 0 },
  failover50kDoubled: { atMost: 0 },
  waiting1mBytesEach: { atMost: 1_024 },
  waiting1mStartsPerSecond: { atLeast: 3_000 },
  waiting1mRestartSeconds: { atMost: 60 },
  withHistoryRatio: { atLeast: 0.9 },
  waiting1mLagGoneSeconds: { atMost: 60 },
  parked50kLagGoneSeconds: { atMost: 60 },
  timers50kLagGoneSeconds: { atMost: 60 },
};

const doesNotMeasure = [
  'work: the steps give a small number and do nothing else',
  'a network between the processes: all of them, the client and the worker too, share this machine',
  'what Writ does beside: identity, policy, an audit tree; Restate and DBOS here authenticate and record nothing of the kind',
];

export const bench = defineBench({
  name: 'workflows',
  about:
    'durable workflows of three steps: how many a second, one alone, 50,000 that wait; what each process spends on it',
  doesNotMeasure,
  targets,
  parts: [...throughputParts, ...Object.keys(alone)],
  async run({ durability }, _prepared, choice): Promise<Measurement[]> {
    const figures = await throughput(durability, choice);
    for (const [part, measure] of Object.entries(alone))
      if (choice.parts.has(part)) figures.push(...(await measure(durability, say)));
    return figures;
  },
  document: (figures, conditions) => writePage(figures, conditions, targets, doesNotMeasure),
});
