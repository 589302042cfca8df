import type { Json } from '@writ/ledger/domain';
import type { Entry, EvictReason } from '../run/entry.js';
import type { Journal, KeptEntries } from '../run/journal.js';
import type { RunEventData } from '../run/run.events.js';

/** What a worker gets. Plain data: it may go through NATS to the replica that has the worker's stream. */
export type WorkerTask =
  | {
      type: 'activate';
      attempt: string;
      partition: number;
      run: string;
      started: RunEventData<'run.started.v1'>;
      startedMs: number;
      trace?: string | undefined;
      /** The first part of the journal; the others follow as tasks of their own. */
      entries: Entry[];
      /** Entries of the whole journal. */
      length: number;
      pending: PendingCommand[];
      progress?: StepProgress[];
      kept?: KeptEntries[];
    }
  | { type: 'journal'; attempt: string; entries: Entry[] }
  | { type: 'entry'; attempt: string; entry: Entry }
  | { type: 'evict'; attempt: string; reason: EvictReason; detail?: string }
  /** A slot that was taken for a run is free again: the run does not come. */
  | { type: 'unused' };

/** A strict replay, for a worker that has the code. */
export interface ReplayTask {
  run: string;
  journal: Journal;
}

/** A command that is open when a run is handed over. */
export interface PendingCommand {
  kind: Entry['kind'];
  name: string;
  occurrence: number;
  failures: number;
  due: boolean;
}

/** What an attempt said last about itself. */
export interface StepProgress {
  name: string;
  occurrence: number;
  value: Json;
}

/** The way to a worker's stream, wherever it is. Never waits; tasks of one stream keep their order. */
export interface Outlet {
  deliver(session: string, task: WorkerTask): void;
}
