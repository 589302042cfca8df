import type { RunModel } from '../run/run-model.js';
import type { PartitionHandle } from '@writ/ledger';
import { commitsOf } from '../run/loops.js';
import { actorsOf, codeOf, type Open, type RunRecord } from '../run/run-record.js';

/** Why a run does not go on, as far as its owner knows it without reading. */
export interface Standstill {
  state: RunRecord['state'];
  ended: boolean;
  /** With the version to which it is pinned: `review@2`. */
  workflow: string;
  queue: string;
  principals: readonly string[];
  notBeforeMs: number;
  paused: RunRecord['paused'];
  cancelled: boolean;
  /** `working`: a worker has something to do for it; `idle`: a worker has it, which waits; `none`: nobody has it. */
  worker: 'working' | 'idle' | 'none';
  /** It can go on, but for a worker, or for the slot of its queue. */
  ready: boolean;
  /** It needs a slot of its queue, which it has not. */
  slotless: boolean;
  opens: Waited[];
  commits: number[];
}

/** Something that the run waits for. */
export interface Waited extends Pick<Open, 'kind' | 'name' | 'occurrence' | 'untilMs'> {
  on?: string;
  failures: number;
  exhausted?: string;
}

export function standstillOf(handle: PartitionHandle, tenant: string, id: string): Standstill | undefined {
  const { index } = handle.model as RunModel;
  const run = index.get(tenant, id);
  if (!run) return undefined;
  const { state, queue, notBeforeMs, paused, live } = run;
  const workflow = codeOf(run.workflow, run.pin);
  const holding = index.queues.of(run);
  const head = handle.commit();
  return {
    state, workflow, queue, notBeforeMs, paused,
    ended: run.ended,
    principals: actorsOf(run),
    cancelled: run.cancel !== undefined,
    worker: live === undefined ? 'none' : live.idle ? 'idle' : 'working',
    ready: !live && !run.idle,
    slotless: holding?.slot === false && run.cancel === undefined,
    opens: run.opens.map(waited),
    commits: commitsOf(run).filter((commit) => commit <= head),
  }; // prettier-ignore
}

function waited({ kind, name, occurrence, untilMs, on, trying }: Open): Waited {
  const { failures = 0, exhausted } = trying ?? {};
  return {
    kind, name, occurrence, untilMs, failures,
    ...(on !== undefined && { on }),
    ...(exhausted !== undefined && { exhausted }),
  }; // prettier-ignore
}
