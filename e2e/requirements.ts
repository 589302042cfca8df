/** What Writ promises. A test that shows one says `verifies('<id>')`; `npm run verify` fails on a promise without one. */
export interface Requirement {
  readonly id: string;
  /** A sentence that goes on after "a test shows that". */
  readonly promise: string;
}

export const requirements: readonly Requirement[] = [
  { id: 'ledger.fence', promise: 'a deposed owner, paused past its lease and continued, gets no commit accepted' },
  {
    id: 'ledger.effect_once',
    promise: 'a command whose owner died between publish and acknowledgement has its effect once',
  },
  { id: 'ledger.delivered_twice', promise: 'commits delivered twice to projections and reactors give the same rows' },
  { id: 'ledger.replay_equals_live', promise: 'replaying a partition from its start equals the live state' },
  {
    id: 'scheduler.worker_killed',
    promise: 'a worker killed at every step boundary leaves each effect once and the result correct',
  },
  { id: 'enforcement.refusal_codes', promise: 'every way to be refused has its own code and is in the ledger' },
  { id: 'identity.exceeds_parent', promise: 'a child that asks for more than its parent is refused' },
  { id: 'sandbox.host_hidden', promise: "a sandbox reads nothing of the host's files, environment or processes" },
  { id: 'sandbox.no_network', promise: 'a sandbox reaches no network address' },
  { id: 'sandbox.limits', promise: 'a sandbox cannot exceed its memory, process count or time' },
  { id: 'sandbox.leaves_nothing', promise: 'a sandbox leaves no process, mount or cgroup behind' },
  { id: 'audit.tampering_named', promise: 'a flipped byte and a dropped commit are detected and named' },
  { id: 'demo.main_job', promise: 'the demo does the main job on this repository and on another one' },
  { id: 'servers.die_with_parent', promise: 'no server and no process of the project outlives a parent that was killed' },
];
