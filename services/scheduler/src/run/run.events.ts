import * as z from 'zod';
import type { Json } from '@writ/ledger/domain';
import { Ticket } from '../queue/queue.events.js';
import { Amount, budgetEvents, EndedBudget, Limits, SpendsFrom, StartedBudget } from './budget.events.js';

const json = z.json() as z.ZodType<Json>;
const time = z.iso.datetime();

/** What a command of a workflow is; part of what replay compares. */
export const CommandKind = z.enum([
  'step',
  'call',
  'sleep',
  'message',
  'approval',
  'child',
  'result',
  'emit',
  'patch',
  'loop',
  'set',
  'update',
]);
export type CommandKind = z.infer<typeof CommandKind>;

/** A claim check: the value is in the blob store under the hash of its stored form. */
export const BlobRef = z.object({ hash: z.string(), sizeBytes: z.number().int() });
export type BlobRef = z.infer<typeof BlobRef>;

/** A value in the SDK's codec; neither field means `undefined`. */
const content = { value: json.optional(), blob: BlobRef.optional() };
export const Content = z.object(content);
export type Content = z.infer<typeof Content>;

export const Failure = z.object({
  code: z.string(),
  message: z.string(),
  details: json.optional(),
  stack: z.string().optional(),
});
export type Failure = z.infer<typeof Failure>;

/** Name and occurrence, the key of a command, and its kind. */
const key = { kind: CommandKind, name: z.string(), occurrence: z.number().int() };

export const Capability = z.object({
  type: z.literal('writ'),
  actions: z.array(z.string()),
  resources: z.array(z.string()).optional(),
});

/** `expected` is what the record says, `actual` what the code asked for; either may be nothing. */
export const Difference = z.object({
  position: z.number().int(),
  expected: z.object({ ...key, detail: z.string().optional() }).optional(),
  actual: z.object({ ...key, detail: z.string().optional() }).optional(),
  text: z.string(),
  /** Lines: what both have, `-` what only the record has, `+` what only the code asked for. */
  diff: z.string().optional(),
});
export type Difference = z.infer<typeof Difference>;

/** In every event that ends a run: whom to tell, whom to cancel, and where the run's commits are. */
const ending = {
  /** Runs that wait for this one: the parent, and who attached. */
  notify: z.array(z.string()).optional(),
  /** Children that were started to end with their parent and have not ended. */
  cancelChildren: z.array(z.string()).optional(),
  /** Commits of this partition that hold the run's events, this one excepted; of a very long run the first and the last. */
  journal: z.array(z.number().int()),
  /** The journal is everything between the two. */
  span: z.boolean().optional(),
  /** Identity has no grant of it that would have to be closed. */
  ungranted: z.boolean().optional(),
  /** What people are asked, and nobody waits for any more. */
  approvals: z.array(z.string()).optional(),
  /** Of a run with limits of its own. */
  budget: EndedBudget.optional(),
};

/** Small values by which a run is found. */
export const Attributes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** The data of every event of a run, by type. The subject is the run. */
export const runEvents = {
  'run.started.v1': z.object({
    workflow: z.string(),
    ...content,
    /** Of workflow and input: the same start has the same digest. */
    digest: z.string(),
    queue: z.string(),
    version: z.string().optional(),
    /** The principal it acts as. */
    agent: z.string(),
    onBehalfOf: z.array(z.string()).optional(),
    parent: z.string().optional(),
    /** Ancestors. */
    depth: z.number().int(),
    /** What it may do at most. Absent: what the principal may do, not narrowed. */
    grant: z.array(Capability).optional(),
    /** Identity has no grant of it yet: it records one when somebody first has to act in the run. */
    ungranted: z.boolean().optional(),
    notBefore: time.optional(),
    /** Only workers of its version get it. */
    pinned: z.boolean().optional(),
    /** It has its version, and is pinned to it, by this revision of the ramp of its workflow. */
    ramp: z.number().int().optional(),
    /** How often it was restarted. */
    restarts: z.number().int().optional(),
    attributes: Attributes.optional(),
    /** Its queue had limits: what it goes by there. */
    ticket: Ticket.optional(),
    budget: StartedBudget.optional(),
  }),
  /** Its queue lets it go on. At first with its key, and with what that leaves of the rates; later with a slot alone. */
  'run.admitted.v1': z.object({
    /** Until when the rate of the queue, and of its key, is taken up (milliseconds since 1970). */
    spentMs: z.number().optional(),
    keySpentMs: z.number().optional(),
  }),
  /** All that it does is wait: it gives the slot of its queue back, and its worker forgets it. */
  'run.parked.v1': z.object({}),
  /** What the run begins with: a part of the record of its earlier life, or of another run. It stands right after the start. */
  'run.kept.v1': z.object({
    /** The life that recorded it: a run's id, after restarts with their number, `run_1~2`. */
    life: z.string(),
    /** When that life began, or the first whose record it went on from: `ctx.now` until the first entry. */
    startedAt: time,
    /** When the next life began; absent: with this event. */
    until: time.optional(),
    events: z.array(z.object({ type: z.string(), time, data: json })),
  }),
  /** The run begins anew from a step: its life so far is over, and its next one starts in the same commit. */
  'run.restarted.v1': z.object({
    from: z.string(),
    reason: z.string().optional(),
    /** Effects that are not kept. */
    dropped: z.array(z.string()),
  }),
  /** Somebody has to act in the run and asks for its token: its grant is recorded now. */
  'run.authority_requested.v1': z.object({}),
  /** Only workers of this version get it from now on; absent: whichever there are. */
  'run.pinned.v1': z.object({ version: z.string().optional() }),
  /** Another run, not its parent, wants to hear of its end. */
  'run.watched.v1': z.object({ by: z.string() }),
  'run.step_completed.v1': z.object({ ...key, attempt: z.number().int(), ...content }),
  /** An attempt that wrote to the run's stream has ended: what it wrote counts where it is completed, else it is superseded. */
  'run.streamed.v1': z.object({ ...key, attempt: z.number().int(), completed: z.boolean(), chunks: z.number().int() }),
  /** With neither `retryAt` nor `exhausted` the step has failed. */
  'run.step_failed.v1': z.object({
    ...key,
    attempt: z.number().int(),
    error: Failure,
    retryAt: time.optional(),
    /** Nothing is left to try; it is tried again when a person lets the run go on. */
    exhausted: z.boolean().optional(),
    /** Its worker was silent for too long: the run is not with it any more. */
    lost: z.boolean().optional(),
    /** It waits for so much budget. */
    budget: Amount.optional(),
    idle: z.boolean().optional(),
  }),
  /** A sleep, or a wait for a message, an approval or a child's result, was begun. */
  'run.waiting.v1': z.object({
    ...key,
    /** The message's name, the approval or the child. */
    on: z.string().optional(),
    /** Several children that are waited for together: so many must succeed, or with 0 all have ended. */
    join: z.object({ children: z.array(z.string()), need: z.number().int() }).optional(),
    /** When the sleep is over or the wait times out. */
    until: time.optional(),
    question: z
      .object({
        title: z.string(),
        detail: json.optional(),
        schema: json.optional(),
        approvers: z.array(z.string()),
        /** After it was asked. */
        remindMs: z.array(z.number()).optional(),
        escalate: z.array(z.object({ afterMs: z.number(), to: z.array(z.string()) })).optional(),
        /** Who asks. */
        agent: z.string(),
      })
      .optional(),
    /** The function had nothing else to do: the run needs no worker until something comes true. */
    idle: z.boolean().optional(),
  }),
  'run.timer_fired.v1': z.object({ ...key }),
  /** The function gave up a wait, or a step that waited for its next attempt. */
  'run.aborted.v1': z.object({ ...key, error: Failure, approvals: z.array(z.string()).optional() }),
  'run.message_received.v1': z.object({ message: z.string(), ...content }),
  /** The run's code has accepted an update, and handles it from here on. */
  'run.update_accepted.v1': z.object({ ...key, update: z.string(), ...content }),
  /** It is done; without an error as it should be. */
  'run.update_answered.v1': z.object({ ...key, ...content, error: Failure.optional() }),
  'run.answered.v1': z.object({
    ...key,
    approval: z.string(),
    /** The approval ended without an answer. */
    expired: z.boolean().optional(),
    approved: z.boolean(),
    by: z.string().optional(),
    reason: z.string().optional(),
    ...content,
  }),
  'run.child_requested.v1': z.object({
    ...key,
    child: z.string(),
    workflow: z.string(),
    ...content,
    queue: z.string(),
    /** The child acts as its parent's principal, by a grant of its own. */
    agent: z.string(),
    depth: z.number().int(),
    version: z.string().optional(),
    pinned: z.boolean().optional(),
    key: z.string().optional(),
    priority: z.number().int().optional(),
    grant: z.array(Capability).optional(),
    attach: z.boolean().optional(),
    cancelWithParent: z.boolean().optional(),
    /** The parent has no grant yet, and needs one to hand on. */
    ungranted: z.boolean().optional(),
    /** Limits of its own. */
    limits: Limits.optional(),
    /** Of its parent. */
    budget: SpendsFrom.optional(),
    attributes: Attributes.optional(),
  }),
  'run.child_started.v1': z.object({ ...key, child: z.string() }),
  'run.child_refused.v1': z.object({ ...key, child: z.string(), error: Failure }),
  /** The budget has no room for it: it is started when there is more. */
  'run.child_deferred.v1': z.object({
    ...key,
    child: z.string(),
    error: Failure,
    /** It needs so much. */
    budget: Amount,
    idle: z.boolean().optional(),
  }),
  'run.child_ended.v1': z.object({
    child: z.string(),
    state: z.enum(['succeeded', 'failed', 'cancelled']),
    ...content,
    error: Failure.optional(),
    outcomeUnknown: z.array(z.string()).optional(),
    undone: z.array(z.string()).optional(),
    /** What was stopped with it, of a child that was cancelled. */
    stopped: z.array(z.string()).optional(),
  }),
  'run.emitted.v1': z.object({ ...key, ...content }),
  /** Null takes one away. */
  'run.attributes_set.v1': z.object({
    ...key,
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  }),
  /** A loop begins a generation: with this turn and state it goes on, and what its turns did before is in no journal any more. */
  'run.continued.v1': z.object({
    ...key,
    turn: z.number().int(),
    ...content,
    /** Messages that nobody has taken, by name. */
    buffered: z.record(z.string(), z.number().int()).optional(),
  }),
  /** It takes the new way at a place where its code was changed. */
  'run.patched.v1': z.object({ ...key }),
  'run.cancel_requested.v1': z.object({
    reason: z.string(),
    /** A right was taken away; nothing of the run may act any more. */
    revoked: z.boolean().optional(),
    /** When the run is ended without waiting any longer for its worker. */
    deadline: time,
    /** Children that have not ended: they are cancelled with it. */
    children: z.array(z.string()).optional(),
  }),
  /** After a cancel the function has ended, and these steps take back what it did: the deadline of the cancel is no more. */
  'run.undoing.v1': z.object({ steps: z.array(z.string()) }),
  /** After a cancel the function has ended; children have not all. */
  'run.stopped.v1': z.object({
    stopped: z.array(z.string()),
    outcomeUnknown: z.array(z.string()),
    undone: z.array(z.string()).optional(),
    approvals: z.array(z.string()).optional(),
  }),
  /** A person is needed. */
  'run.paused.v1': z.object({
    reason: z.enum(['diverged', 'requested', 'budget']),
    difference: Difference.optional(),
    /** What who asked for it said. */
    note: z.string().optional(),
  }),
  /** A person lets it go on; steps that were exhausted are tried again. */
  'run.resumed.v1': z.object({
    /** What waited for more budget goes on, and nothing else. */
    budget: z.boolean().optional(),
    /** Until when it may go on now. */
    deadline: time.optional(),
    /** Children that were deferred: they are started now. */
    children: z.array(z.object({ name: z.string(), occurrence: z.number().int() })).optional(),
  }),
  /** It is hidden: lists, look-ups and counts do not have it any more. Its record stays. */
  'run.deleted.v1': z.object({ reason: z.string() }),
  'run.succeeded.v1': z.object({ ...content, ...ending }),
  'run.failed.v1': z.object({
    error: Failure,
    /** What was taken back, last first, and what could not be. */
    undone: z.array(z.string()).optional(),
    outcomeUnknown: z.array(z.string()).optional(),
    ...ending,
  }),
  'run.cancelled.v1': z.object({
    reason: z.string(),
    stopped: z.array(z.string()),
    outcomeUnknown: z.array(z.string()),
    /** Steps that were taken back, last first. */
    undone: z.array(z.string()).optional(),
    /** Its function had come to its end. Absent where it was ended over its head, or nobody said. */
    returned: z.boolean().optional(),
    ...ending,
  }),
  ...budgetEvents,
} as const;

export type RunEventType = keyof typeof runEvents;
export type RunEventData<T extends RunEventType> = z.infer<(typeof runEvents)[T]>;
/** A draft of one of the events of a run, typed by its `type`. */
export type RunEvent = { [T in RunEventType]: { type: T; subject: string; data: RunEventData<T> } }[RunEventType];
