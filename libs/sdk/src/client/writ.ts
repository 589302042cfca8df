import type { Answers } from '../define/answers.js';
import type { Capabilities } from '../define/context.js';
import type { Tool } from '../define/tool.js';
import type { Messages, Workflow } from '../define/workflow.js';
import type { Decision } from '../errors/errors.js';
import type { LedgerEvent } from './event.js';
import type { Run } from './run.js';
import type { Runs, RunsQuery } from './runs.js';
import type { Scheduled, ScheduleOptions } from './schedule.js';

/** What a worker serves. */
export interface ServeOptions {
  workflows?: readonly Workflow[];
  tools?: readonly Tool[];
  /** Default: `default`. */
  queue?: string;
  /** Runs that may be active at once; those that wait for something do not count. Default 100. */
  concurrency?: number;
  /** Aborting it drains the worker. */
  signal?: AbortSignal;
}

/** A serving worker. Disposing drains it: no more runs, what is under way is finished or handed over. */
export interface Worker extends AsyncDisposable {
  /** Resolves when it has drained; rejects where it cannot serve at all (a revoked or wrong identity). */
  readonly closed: Promise<void>;
}

/** Which events. */
export interface EventFilter {
  /** Exact types, or prefixes that end in `*`. */
  type?: readonly string[];
  subject?: string;
  /** A cursor; `start` from the first event; absent: from now. */
  after?: string;
  signal?: AbortSignal;
}

/** What a revocation reached. */
export interface RevokeReceipt {
  readonly grants: number;
  readonly runsStopped: readonly string[];
  readonly eventId: string;
}

/** The platform, from outside. Every promise rejects with a WritError. */
export interface Writ extends Capabilities, AsyncDisposable {
  /** Runs workflows and tools in this process. Resolves when the scheduler has welcomed the worker. */
  serve(opts: ServeOptions): Promise<Worker>;
  /** A handle on a run that exists; asks nothing. */
  run<O, M extends Messages, Q extends Answers, U extends Answers>(
    id: string,
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the input of a run that has begun is of no interest
    def?: Workflow<any, O, M, Q, U>,
  ): Run<O, M, Q, U>;
  /** The runs that a filter finds: to look at, to count, and to cancel, pause, resume or message all of them. */
  runs(query?: RunsQuery): Runs;
  /**
   * Starts runs of a workflow at times of their own. A schedule that has this id becomes like this one, so a program may say it each time it begins.
   * The rest (pause, resume, trigger, backfill, delete) is `writ schedule …`.
   * @throws WritError `schedule.bad_definition`, `schedule.never_due`
   */
  schedule<I, O, M extends Messages>(def: Workflow<I, O, M>, input: I, opts: ScheduleOptions): Promise<Scheduled>;
  /** The ledger, live or from a cursor. Goes on over reconnections, without loss and without repeats. */
  events(filter?: EventFilter): AsyncIterable<LedgerEvent>;
  /** Asks what policy would say. Nothing is done or recorded. */
  authorize(request: {
    agent: string;
    tool: string;
    input: unknown;
    onBehalfOf?: string;
    signal?: AbortSignal;
  }): Promise<Decision>;
  /** Decides an approval, once. @throws WritError `approval.*` */
  decide(
    approvalId: string,
    verdict: 'approve' | 'deny',
    opts?: { reason?: string; input?: unknown; signal?: AbortSignal },
  ): Promise<Decision>;
  /** Takes authority away from an agent, a person, a run with its subtree or one token: fails closed everywhere, in milliseconds. */
  revoke(subject: string, opts: { reason: string; signal?: AbortSignal }): Promise<RevokeReceipt>;
}
