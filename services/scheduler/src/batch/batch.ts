import { refuse } from '@writ/ledger/domain';
import type {
  Became,
  BatchEvent,
  BatchEventData,
  BatchEventType,
  Cursor,
  Definition,
  Failed,
  Page,
} from './batch.events.js';

/** Codes that are told apart; what is beyond counts as the last of them. */
const mostCodes = 20;

/** One thing that is done to all runs which a filter finds. */
export interface Batch {
  readonly definition: Definition;
  readonly createdMs: number;
  /** Everything up to here is dealt with. */
  readonly cursor?: Cursor;
  /** What is being dealt with. */
  readonly page?: Page;
  readonly done: number;
  readonly unchanged: number;
  readonly failed: readonly Failed[];
  readonly stop?: { readonly reason: string };
  readonly ended?: {
    readonly state: 'done' | 'stopped' | 'failed';
    readonly atMs: number;
    readonly error?: { code: string; message: string };
  };
}

/** Commands of the aggregate `batch`. */
export type BatchCommand =
  | { type: 'create'; definition: Definition }
  /** The runs that come next. */
  | { type: 'take'; page: Page }
  /** `first`: of the page that this is about, so that each counts once. */
  | { type: 'progress'; first: string; became: Became }
  | { type: 'stop'; reason: string }
  /** It cannot go on. */
  | { type: 'fail'; error: { code: string; message: string } };

/** Pure: the same arguments give the same events. @throws DomainError `batch.*` */
export function decide(command: BatchCommand, id: string, batch: Batch | undefined): BatchEvent[] {
  if (command.type === 'create') {
    if (batch && sameBatch(batch.definition, command.definition)) return [];
    if (batch) throw refuse('batch.exists', `there is a batch ${id} already`, { batch: id });
    return [{ type: 'batch.created.v1', data: command.definition }];
  }
  if (!batch) throw refuse('batch.not_found', `there is no batch ${id} that goes on`, { batch: id });
  switch (command.type) {
    case 'take':
      return take(command.page, batch);
    case 'progress':
      return progress(command, batch);
    case 'stop':
      return stop(command.reason, batch);
    case 'fail':
      return [ended(batch, 'failed', command.error)];
  }
}

function take(page: Page, batch: Batch): BatchEvent[] {
  if (batch.page) return [];
  if (batch.stop) return [stopped(batch, batch.stop.reason)];
  return page.runs.length === 0 ? [ended(batch, 'done')] : [{ type: 'batch.page_taken.v1', data: page }];
}

function progress({ first, became }: Extract<BatchCommand, { type: 'progress' }>, batch: Batch): BatchEvent[] {
  const { page } = batch;
  if (page?.runs[0] !== first) return [];
  const after = progressed(batch, became);
  const events: BatchEvent[] = [{ type: 'batch.progressed.v1', data: became }];
  if (!page.cursor) events.push(ended(after, 'done'));
  else if (batch.stop) events.push(stopped(after, batch.stop.reason));
  return events;
}

function stop(reason: string, batch: Batch): BatchEvent[] {
  if (batch.stop) return [];
  const requested: BatchEvent = { type: 'batch.stop_requested.v1', data: { reason } };
  return batch.page ? [requested] : [requested, stopped(batch, reason)];
}

function stopped(batch: Batch, reason: string): BatchEvent {
  return ended(batch, 'stopped', { code: 'batch.stopped', message: reason });
}

function ended(
  batch: Batch,
  state: 'done' | 'stopped' | 'failed',
  error?: { code: string; message: string },
): BatchEvent {
  const { done, unchanged } = batch;
  const counts = { done, unchanged, failed: failedOf(batch) };
  return { type: 'batch.ended.v1', data: { state, ...(error && { error }), ...counts } };
}

/** Who asks for a batch again wants the one that is there. */
export function sameBatch(one: Definition, other: Definition): boolean {
  const text = ({ action, filter, reason, by }: Definition) =>
    JSON.stringify([Object.entries(action).sort(([a], [b]) => (a < b ? -1 : 1)), filter, reason, by.principal]);
  return text(one) === text(other);
}

/** Runs of it that failed. */
export function failedOf({ failed }: Pick<Batch, 'failed'>): number {
  return failed.reduce((sum, { count }) => sum + count, 0);
}

/** Total: never throws, checks no rule. */
export function evolve(
  batch: Batch | undefined,
  { type, data, timeMs }: { type: string; data: unknown; timeMs: number },
): Batch | undefined {
  if (type === 'batch.created.v1')
    return { definition: data as Definition, createdMs: timeMs, done: 0, unchanged: 0, failed: [] };
  const apply = evolvers[type as Exclude<BatchEventType, 'batch.created.v1'>];
  return batch && apply ? apply(batch, data as never, timeMs) : batch;
}

/** The types that {@link evolve} knows. */
export const evolvedTypes = (): string[] => ['batch.created.v1', ...Object.keys(evolvers)];

const evolvers: {
  [T in Exclude<BatchEventType, 'batch.created.v1'>]: (batch: Batch, data: BatchEventData<T>, timeMs: number) => Batch;
} = {
  'batch.page_taken.v1': (batch, page) => ({ ...batch, page }),
  'batch.progressed.v1': (batch, became) => progressed(batch, became),
  'batch.stop_requested.v1': (batch, { reason }) => ({ ...batch, stop: { reason } }),
  'batch.ended.v1': (batch, { state, error }, atMs) => ({
    ...batch,
    ended: { state, atMs, ...(error && { error: { code: error.code, message: error.message } }) },
  }),
};

function progressed({ page, ...batch }: Batch, { done, unchanged, failed = [] }: Became): Batch {
  return {
    ...batch,
    ...(page?.cursor && { cursor: page.cursor }),
    done: batch.done + done,
    unchanged: batch.unchanged + unchanged,
    failed: failed.reduce(counted, batch.failed),
  };
}

/** By code, each with the first run that it was said of. */
export function counted(all: readonly Failed[], one: Failed): readonly Failed[] {
  const at = all.findIndex(({ code }) => code === one.code);
  if (at < 0 && all.length < mostCodes) return [...all, one];
  const where = at < 0 ? all.length - 1 : at;
  return all.map((each, index) => (index === where ? { ...each, count: each.count + one.count } : each));
}
