import type { Capability, Json } from '@writ/ledger/domain';
import type { Amount, Limits, SpendsFrom } from './budget.events.js';
import type { Attributes, AttributeValue } from './attributes.js';
import type { Kept } from './kept.js';
import type { CommandKind, Content, Difference, Failure, RunEventData } from './run.events.js';

/** The end of another run, as it is told to the runs that wait for it. */
export type Outcome = { child: string; state: 'succeeded' | 'failed' | 'cancelled' } & Content & {
    error?: Failure | undefined;
    outcomeUnknown?: string[] | undefined;
    undone?: string[] | undefined;
    stopped?: string[] | undefined;
  };

/** Start a run under the command's subject as its id. */
export interface Start {
  type: 'start';
  workflow: string;
  input: Content;
  digest: string;
  queue: string;
  version?: string;
  agent: string;
  onBehalfOf?: string[];
  parent?: string;
  depth: number;
  grant?: Capability[];
  /** Its grant is recorded when it is first needed. */
  ungranted?: boolean;
  notBeforeMs?: number;
  attributes?: Attributes;
  /** Limits of its own. */
  limits?: Limits;
  /** From which account its parent spends. */
  budget?: SpendsFrom;
  /** Take the run that has this id, whatever its input. */
  attach?: boolean;
  /** Its place in its queue, if that has limits. */
  key?: string;
  priority?: number;
  /** Only workers of its version get it. */
  pinned?: boolean;
  /** The record that it begins with. */
  kept?: Kept[];
  /** Who, beside its parent, is to hear of its end: `schedule/` and an id. */
  watchedBy?: string;
  /** Recorded with it, also where the run is there already. */
  message?: Message;
}

/** What a run was when it was asked something: what its worker had been told by then, or what the copy of it was made from. */
export type Seen = { attempt: string; entries: number } | { commit: number };

/** What comes to a run from outside, by name. */
export interface Message {
  message: string;
  content: Content;
}

/** A run that its queue lets go on, and until when that takes up the rates. */
export interface Admitted {
  run: string;
  spentMs?: number;
  keySpentMs?: number;
}

/** One of many that are started at once. */
export type NewRun = Omit<Start, 'type'> & {
  id: string;
  /** No run of this id has ended: the view was asked. */
  looked?: boolean;
};

/** What a worker says that happened in one run. */
export interface ReportItem {
  run: string;
  attempt: string;
  commands: WorkerCommand[];
  end?: End;
  /** Everything that the function awaits is the scheduler's to answer. */
  idle: boolean;
  /** Entries that the worker had seen under this attempt, the journal excepted. */
  entries: number;
  /** Steps that take back what the function did, which has ended badly. */
  undoing?: string[];
  /** Signs of life; for the owner, not for the ledger. */
  beats?: Beat[];
}

/** A step or call is under way. */
export interface Beat extends Key<'step' | 'call'> {
  attempt: number;
  /** Longer silence frees the step; 0 for never. */
  leaseMs: number;
  policy: RetryPolicy;
  /** Absent: as said before. */
  progress?: Json;
}

/** What the end of a run left behind. */
export interface Receipt {
  stopped: string[];
  outcomeUnknown: string[];
  /** Steps that were taken back. */
  undone?: string[];
}

export type End =
  | { type: 'completed'; content: Content }
  | { type: 'failed'; error: Failure; receipt?: Receipt }
  | ({ type: 'cancelled' } & Receipt)
  | { type: 'diverged'; difference: Difference };

interface Key<K extends CommandKind> {
  kind: K;
  name: string;
  occurrence: number;
}

/** Delay before attempt n+1: `min(delayMs * factor^(n-1) + incrementMs * (n-1), maxDelayMs)`, less what the jitter takes. */
export interface RetryPolicy {
  attempts: number;
  delayMs: number;
  factor: number;
  maxDelayMs: number;
  /** Share of a delay of which a part is taken off; 0 to 1. */
  jitter?: number;
  incrementMs?: number;
  /** No attempt begins later than this after the first failure. */
  totalMs?: number;
  /** When nothing is left to try, wait for a person. */
  pause?: boolean;
}

/** One command of a workflow, or the outcome of one that the worker performs itself. */
export type WorkerCommand =
  | (Key<'step' | 'call'> & { type: 'completed'; content: Content; streamed?: number })
  | (Key<'step' | 'call'> & {
      type: 'failed';
      attempt: number;
      error: Failure;
      retryable: boolean;
      policy: RetryPolicy;
      retryAfterMs?: number;
      streamed?: number;
    })
  | (Key<'sleep'> & { type: 'sleep'; durationMs?: number; atMs?: number })
  | (Key<'message'> & { type: 'wait'; message: string; timeoutMs?: number })
  | (Key<'approval'> & {
      type: 'ask';
      approval: string;
      question?: {
        title: string;
        detail?: Json;
        schema?: Json;
        approvers: string[];
        remindMs?: number[];
        escalate?: { afterMs: number; to: string[] }[];
      };
      timeoutMs?: number;
    })
  | (Key<'child'> & {
      type: 'child';
      child: string;
      workflow: string;
      input: Content;
      queue?: string;
      version?: string;
      pinned?: boolean;
      key?: string;
      priority?: number;
      grant?: Capability[];
      attach: boolean;
      cancelWithParent: boolean;
      limits?: Limits;
      attributes?: Attributes;
    })
  | (Key<'result'> & { type: 'result'; child: string; timeoutMs?: number })
  | (Key<'result'> & { type: 'join'; children: string[]; need: number; timeoutMs?: number })
  | (Key<'emit'> & { type: 'emit'; content: Content })
  | (Key<'set'> & { type: 'set'; attributes: Readonly<Record<string, AttributeValue | null>> })
  /** The loop begins a generation with this turn. */
  | (Key<'loop'> & { type: 'loop'; turn: number; content: Content })
  | (Key<'patch'> & { type: 'patch' })
  | (Key<'update'> & { type: 'answer'; content: Content; error?: Failure })
  | (Key<CommandKind> & { type: 'abort'; error: Failure });

/** Commands of the aggregate `run`. The first group is about its subject; the second about many runs of one tenant in one partition. */
export type RunCommand =
  | Start
  | ({ type: 'message' } & Message)
  | { type: 'cancel'; reason: string; force: boolean; revoked?: boolean; graceMs: number }
  | { type: 'pause'; note: string }
  /** Of a run that the view knows to have ended. */
  | { type: 'delete'; reason: string }
  | { type: 'pin'; version: string }
  /** Go on from a step. `seen`: the commit of the last event that was read of it. */
  | {
      type: 'restart';
      seen: number;
      started: RunEventData<'run.started.v1'>;
      kept: Kept[];
      from: string;
      reason?: string;
      dropped: string[];
    }
  | { type: 'resume' }
  /** Somebody asks identity for a token of the run, which has no grant yet. */
  | { type: 'authorize' }
  /** Its code accepts an update, seeing what is `seen`. */
  | { type: 'update'; update: string; name: string; content: Content; seen: Seen }
  | { type: 'child_started'; name: string; occurrence: number; child: string }
  | { type: 'child_refused'; name: string; occurrence: number; child: string; error: Failure }
  | { type: 'child_ended'; outcome: Outcome }
  | {
      type: 'answer';
      approval: string;
      expired: boolean;
      approved: boolean;
      by?: string;
      reason?: string;
      content: Content;
    }
  /** Of the account that is the command's subject. `start`: of a child, with or without limits of its own, which is counted with it. */
  | { type: 'reserve'; id: string; by: string; amount: Amount; settled?: boolean; start?: 'child' | 'share' }
  | { type: 'settle'; id: string; used: Amount }
  | { type: 'await_budget'; by: string; need: Amount }
  | { type: 'add_budget'; limits: Limits; by: string }
  | { type: 'extend_budget'; id: string; cause: string; amount: Amount }
  /** Of a run that waits for budget. */
  | { type: 'refilled'; deadlineMs?: number }
  | { type: 'budget_refused'; by?: string; reason?: string; graceMs: number }
  | { type: 'report'; session: string; items: ReportItem[] }
  /** What cannot be told to be new is left out: its own `start` decides. */
  | { type: 'starts'; runs: NewRun[] }
  /** A worker was silent for longer than the lease of a step. */
  | { type: 'lost'; token: string; beat: Beat }
  | { type: 'timers'; runs: string[] }
  /** Their queue lets them go on. */
  | { type: 'admit'; runs: Admitted[] }
  /** Its worker has nothing more to do for it. */
  | { type: 'park' }
  | { type: 'revoke'; kind: 'agent' | 'person' | 'run' | 'tenant'; principal: string };
