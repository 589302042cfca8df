import type { RunEventData } from '../run/run.events.js';
import type { RunIndex } from '../run/run-index.js';
import type { RunRecord } from '../run/run-record.js';

interface At {
  index: RunIndex;
  commit: number;
  timeMs: number;
}

/** Its queue lets it go on. */
export function admitted(run: RunRecord, data: RunEventData<'run.admitted.v1'>, { index, commit, timeMs }: At): void {
  const holding = index.queues.of(run);
  if (!holding) return;
  holding.admitted = holding.slot = true;
  const { spentMs, keySpentMs } = data;
  if (spentMs !== undefined) index.queues.spend(run.tenant, run.queue, '', spentMs, timeMs);
  if (keySpentMs !== undefined) index.queues.spend(run.tenant, run.queue, holding.key ?? '', keySpentMs, timeMs);
  if (index.noting && !run.live) index.notes.push({ commit, type: 'ready', run });
}

/** It waits, or has ended: others may have what it had. */
export function givesSlot(run: RunRecord, { index, commit, timeMs }: At, standing: 'parked' | 'gone'): void {
  const holding = index.queues.of(run);
  if (!holding) return;
  holding.slot = false;
  holding.sinceMs = timeMs;
  if (standing === 'gone') index.queues.drop(run);
  const given = holding.admitted ? standing : 'gone';
  if (!index.noting) return;
  holding.giving = true;
  index.notes.push({ commit, type: 'gives', run, holding, standing: given });
}

/** Something that it waited for came true. */
export function wakes(run: RunRecord, { index, timeMs }: At): void {
  const holding = index.queues.of(run);
  if (holding && !holding.slot) holding.sinceMs = timeMs;
}
