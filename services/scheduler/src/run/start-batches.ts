import { schedulerPartition } from '../partition/owners.js';
import { startDigest } from './digest.js';
import type { NewRun } from './run.commands.js';
import { madeAtMs } from './run-id.js';
import { recorded, type StartRequest } from './start-request.js';

/** A command grows to about this, so that it fits into a message and a commit. */
const mostBytes = 200 * 1024;
/** Of a start beside its input and what is in its grant. */
const otherBytes = 600;

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
 * @param left takes those that go by themselves: whose grant is recorded first, and whose id may have been a run's long ago
 */
export function inBatches(requests: readonly StartRequest[], left: number[]): Batched[] {
  const open = new Map<number, Batched & { bytes: number }>();
  const all: Batched[] = [];
  requests.forEach((request, at) => {
    const { tenant, actor: _actor, id, chosen, cause, trace: _trace, ...start } = recorded(request);
    if (!start.ungranted || cause !== undefined || (chosen && madeAtMs(id) === undefined)) return void left.push(at);
    const { input, workflow } = start;
    const bytes = otherBytes + ('value' in input ? JSON.stringify(input.value ?? null).length : 0);
    const partition = schedulerPartition(tenant, id);
    let batch = open.get(partition);
    if (!batch || batch.bytes + bytes > mostBytes) {
      batch = { partition, runs: [], at: [], bytes: 0 };
      open.set(partition, batch);
      all.push(batch);
    }
    batch.bytes += bytes;
    batch.runs.push({ id, ...start, digest: startDigest(workflow, input) });
    batch.at.push(at);
  });
  return all;
}
