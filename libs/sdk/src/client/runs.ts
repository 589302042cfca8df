import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  BatchService,
  BatchState,
  type Batch as BatchMessage,
  type CreateBatchRequestSchema,
} from '@writ/proto/run/v1/batch';
import { RunService, RunState, type Run as RunMessage } from '@writ/proto/run/v1/run';
import { encodeBytes } from '../codec/codec.js';
import type { Attributes } from '../define/attributes.js';
import { errorOf } from '../errors/error-of.js';
import type { Session } from './session.js';

/** Which runs, in which order. */
export interface RunsQuery {
  /**
   * Conditions with AND between them: `state = "waiting" AND workflow = "review" AND attributes.customer = "acme" AND create_time > "2026-11-01"`.
   * Absent: all.
   */
  filter?: string;
  /** `create_time desc` (default), `create_time`, `attributes.<key>` or `attributes.<key> desc`: then only runs that have it. */
  orderBy?: string;
  signal?: AbortSignal;
}

/** A run as lists have it. */
export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  readonly state: 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled';
  /** For people: `message triage`, `timer until …`, `person: paused by …`; empty for nothing. */
  readonly waitingOn: string;
  readonly queue: string;
  readonly agent: string;
  readonly parent?: string;
  readonly attributes: Attributes;
  readonly startedAt: Date;
  readonly endedAt?: Date;
  readonly error?: { readonly code: string; readonly message: string };
}

interface BatchOptions {
  /** Chosen by you; makes a repeat harmless. */
  id?: string;
  /** In the record of the batch and of each run. */
  reason?: string;
  signal?: AbortSignal;
}

/** The runs that a filter finds. Iterating gives them, page by page; what is done to them is done by the platform, in the background. */
export interface Runs extends AsyncIterable<RunSummary> {
  /** How many there are now. */
  count(): Promise<number>;
  /** How many of each `state`, `workflow`, `queue` or `attributes.<key>`, the largest first. */
  count(by: string): Promise<ReadonlyMap<string | number | boolean, number>>;
  /** Begins to cancel all that match now; what is started later is not touched. A filter is needed. */
  cancel(opts?: BatchOptions & { force?: boolean }): Promise<Batch>;
  pause(opts?: BatchOptions): Promise<Batch>;
  resume(opts?: BatchOptions): Promise<Batch>;
  /** Hides those that have ended: they are in no list and no count any more, whoever asks is told `run.deleted`; the record stays. */
  delete(opts?: BatchOptions): Promise<Batch>;
  send(message: string, data?: unknown, opts?: BatchOptions): Promise<Batch>;
}

/** One thing that is being done to many runs. */
export interface Batch {
  readonly id: string;
  /** How far it is. */
  progress(opts?: { signal?: AbortSignal }): Promise<BatchReport>;
  /** Waits until it is through, or was stopped. @throws WritError where it could not go on, with the reason's code */
  result(opts?: { signal?: AbortSignal }): Promise<BatchReport>;
  /** Ends it after the page that it is at. What is done stays done. */
  stop(opts?: { reason?: string; signal?: AbortSignal }): Promise<void>;
}

/** What became of the runs of a batch. */
export interface BatchReport {
  readonly state: 'running' | 'done' | 'stopped' | 'failed';
  /** Runs that matched when it was created. */
  readonly expected: number;
  readonly done: number;
  /** There was nothing to do with them: ended meanwhile, or as they should be already. */
  readonly unchanged: number;
  readonly failed: number;
  /** Why, by code, with one run of each. */
  readonly failures: readonly {
    readonly code: string;
    readonly count: number;
    readonly run: string;
    readonly detail: string;
  }[];
}

const pageSize = 200;
const waitSeconds = 30n;

/** `writ.runs` */
export function runsOf(session: Session, { filter = '', orderBy = '', signal }: RunsQuery = {}): Runs {
  const begin = async (
    request: MessageInitShape<typeof CreateBatchRequestSchema>,
    opts: BatchOptions,
  ): Promise<Batch> => {
    const { id = '', reason = '', signal: stopped = signal } = opts;
    const { batch } = await session.call(
      BatchService.method.createBatch,
      { ...request, id, reason, filter },
      { signal: stopped },
    );
    return batchOf(session, batch?.id ?? '');
  };
  const count = async (groupBy = '') => {
    const { runs, groups } = await session.call(RunService.method.countRuns, { filter, groupBy }, { signal });
    if (groupBy === '') return Number(runs);
    return new Map(groups.map(({ value, runs: of }) => [value?.kind.value as string, Number(of)]));
  };
  return {
    count: count as Runs['count'],
    cancel: ({ force = false, ...opts } = {}) => begin({ action: 'cancel', force }, opts),
    pause: (opts = {}) => begin({ action: 'pause' }, opts),
    resume: (opts = {}) => begin({ action: 'resume' }, opts),
    delete: (opts = {}) => begin({ action: 'delete' }, opts),
    send: (message, data, opts = {}) =>
      begin({ action: 'send', message, ...(data !== undefined && { data: { data: encodeBytes(data) } }) }, opts),
    async *[Symbol.asyncIterator]() {
      for (let pageToken = ''; ;) {
        const request = { filter, orderBy, pageSize, pageToken };
        const page = await session.call(RunService.method.listRuns, request, { signal });
        yield* page.runs.map(summaryOf);
        pageToken = page.nextPageToken;
        if (pageToken === '') return;
      }
    },
  };
}

function batchOf(session: Session, id: string): Batch {
  const get = async (seconds: bigint, signal: AbortSignal | undefined) =>
    (
      await session.call(
        BatchService.method.getBatch,
        { id, wait: { seconds, nanos: 0 } },
        { signal, timeoutMs: Number(seconds) * 1000 + 30_000 },
      )
    ).batch as BatchMessage;
  return {
    id,
    progress: async ({ signal } = {}) => reportOf(await get(0n, signal)),
    async result({ signal } = {}) {
      for (;;) {
        const batch = await get(waitSeconds, signal);
        if (batch.state === BatchState.FAILED) {
          const { code = 'batch.failed', message = 'the batch could not go on' } = batch.error ?? {};
          throw errorOf(message, { code, details: { ...reportOf(batch) } });
        }
        if (batch.state !== BatchState.RUNNING) return reportOf(batch);
      }
    },
    async stop({ reason = '', signal } = {}) {
      await session.call(BatchService.method.stopBatch, { id, reason }, { signal });
    },
  };
}

function reportOf({ state, expected, done, unchanged, failed, failures }: BatchMessage): BatchReport {
  return {
    state: BatchState[state].toLowerCase() as BatchReport['state'],
    expected: Number(expected),
    done: Number(done),
    unchanged: Number(unchanged),
    failed: Number(failed),
    failures: failures.map(({ code, count, run, detail }) => ({ code, count: Number(count), run, detail })),
  };
}

function summaryOf(run: RunMessage): RunSummary {
  const { id, workflow, state, waitingOn, queue, agent, parent, attributes, createTime, endTime, error } = run;
  return {
    id,
    workflow,
    state: RunState[state].toLowerCase() as RunSummary['state'],
    waitingOn,
    queue,
    agent,
    ...(parent !== '' && { parent }),
    attributes: (attributes ?? {}) as Attributes,
    startedAt: createTime ? timestampDate(createTime) : new Date(0),
    ...(endTime && { endedAt: timestampDate(endTime) }),
    ...(error && { error: { code: error.code, message: error.message } }),
  };
}
