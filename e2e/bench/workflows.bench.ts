import { defineBench, type Target } from './bench.js';
import { writePage } from './workflows/document.js';
import { throughput, throughputParts } from './workflows/throughput.js';

const targets: Readonly<Record<string, Target>> = {
  writ64PerRestate: { atLeast: 8 },
  writ256PerRestate: { atLeast: 8 },
  writ64PerDbos: { atLeast: 20 },
  writ256PerDbos: { atLeast: 20 },
  writAloneP50PerRestate: { atMost: 1 / 3 },
};

const doesNotMeasure = [
  'work: the steps give a small number and do nothing else',
  'a network between the processes: all of them, the client and the worker too, share this machine',
  'what Writ does beside: identity, policy, an audit tree; Restate and DBOS here authenticate and record nothing of the kind',
];

export const bench = defineBench({
  name: 'workflows',
  about: 'durable workflows of three steps: how many a second, how long one takes, what each process spends on it',
  doesNotMeasure,
  targets,
  parts: throughputParts,
  run: async ({ durability }, _prepared, choice) => throughput(durability, choice),
  document: (figures, conditions) => writePage(figures, conditions, targets, doesNotMeasure),
});
