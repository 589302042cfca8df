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
  const permit = index.permits.of(run);
  if (!permit) return;
  permit.admitted = permit.slot = true;
  const { spentMs, keySpentMs } = data;
  if (spentMs !== undefined) index.permits.spend(run.tenant, run.queue, '', spentMs, timeMs);
  if (keySpentMs !== undefined) index.permits.spend(run.tenant, run.queue, permit.key ?? '', keySpentMs, timeMs);
  if (index.noting && !run.live) index.notes.push({ commit, type: 'ready', run });
}

/** It waits, or has ended: others may have what it had. */
export function givesSlot(run: RunRecord, { index, commit, timeMs }: At, standing: 'parked' | 'gone'): void {
  const permit = index.permits.of(run);
  if (!permit) return;
  permit.slot = false;
  permit.sinceMs = timeMs;
  if (standing === 'gone') index.permits.drop(run);
  const given = permit.admitted ? standing : 'gone';
  if (index.noting) index.notes.push({ commit, type: 'gives', run, permit, standing: given });
}

/** Something that it waited for came true. */
export function wakes(run: RunRecord, { index, timeMs }: At): void {
  const permit = index.permits.of(run);
  if (permit && !permit.slot) permit.sinceMs = timeMs;
}
