import { schedulerPartition } from '../partition/owners.js';
import { startDigest } from './digest.js';
import type { NewRun } from './run.commands.js';
import { madeAtMs } from './run-id.js';
import { recorded, type StartRequest } from './start-request.js';

/** A command grows to about this, so that it fits into a message and a commit. */
const mostBytes = 200 * 1024;
/** Of a start beside its input and what is in its grant. */
const otherBytes = 600;
/** Others get a turn after so many. */
export const startsAtOnce = 500;

/** Starts in one partition, as one command takes them. */
export interface Batched {
  partition: number;
  runs: NewRun[];
  /** Where each of them stands among the requests. */
  at: number[];
}

/**
 * Puts starts of one tenant into as few commands as they fit into.
 *
 * @param ended ids of runs that ended, of those that do not say when they were made
 * @param turn lets others do something
 * @param left takes those that go by themselves: whose grant is recorded first, that have a message with them, and whose id was a run's long ago
 */
export async function inBatches(
  requests: readonly StartRequest[],
  ended: ReadonlySet<string>,
  left: number[],
  turn: () => Promise<void>,
): Promise<Batched[]> {
  const open = new Map<number, Batched & { bytes: number }>();
  const all: Batched[] = [];
  for (const [at, request] of requests.entries()) {
    if (at > 0 && at % startsAtOnce === 0) await turn();
    const { tenant, actor: _actor, id, chosen, cause, trace: _trace, send, ...start } = recorded(request);
    if (!start.ungranted || cause !== undefined || send || start.kept || ended.has(id)) {
      left.push(at);
      continue;
    }
    const { input, workflow } = start;
    const attributes = start.attributes ? JSON.stringify(start.attributes).length : 0;
    const bytes = otherBytes + attributes + ('value' in input ? JSON.stringify(input.value ?? null).length : 0);
    const partition = schedulerPartition(tenant, id);
    let batch = open.get(partition);
    if (!batch || batch.bytes + bytes > mostBytes) {
      batch = { partition, runs: [], at: [], bytes: 0 };
      open.set(partition, batch);
      all.push(batch);
    }
    batch.bytes += bytes;
    const looked = thoughtUp({ id, chosen }) ? { looked: true } : {};
    batch.runs.push({ id, ...start, digest: startDigest(workflow, input), ...looked });
    batch.at.push(at);
  }
  return all;
}

/** Whether only the view can tell that no run of this id ended long ago. */
export function thoughtUp({ id, chosen }: Pick<StartRequest, 'id' | 'chosen'>): boolean {
  return chosen && madeAtMs(id) === undefined;
}
