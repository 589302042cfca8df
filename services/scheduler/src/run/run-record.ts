import type { Budget } from './budget.js';
import type { CommandKind, Content, RunEventData } from './run.events.js';
import type { Entry } from './entry.js';
import type { Loop } from './loops.js';
import type { Join } from './joins.js';
import type { Outcome } from './run.commands.js';
import type { Sleeper } from './timer-heap.js';

export type RunState = 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled';

/** A command that was recorded and has no outcome yet. */
export interface Open {
  kind: CommandKind;
  name: string;
  occurrence: number;
  /** The message's name, the approval or the child that would answer it. */
  on: string | undefined;
  /** Sleep over, wait timed out, or next attempt of a step; 0 for never. */
  untilMs: number;
  /** Step or call: how its attempts went. */
  trying: Trying | undefined;
  /** Only of a wait for several children. */
  join?: Join;
}

/** A step or call that failed and has not for good. */
export interface Trying {
  /** Attempts that failed. */
  failures: number;
  /** Those of them that a person has let go by: the policy began anew then. */
  excused: number;
  /** When the policy began: the first failure, or the word of that person. */
  sinceMs: number;
  /** Nothing is left to try: the last error, for the person who is waited for. */
  exhausted: string | undefined;
  /** Not recorded: the attempt that was told to try the step again. */
  told: Attempt | undefined;
}

/** A message nobody has taken. */
export interface Buffered {
  message: string;
  content: Content;
  commit: number;
}

export interface Child {
  id: string;
  cancelWithParent: boolean;
  /** How it ended. Kept as long as the run, since it may be asked for more than once. */
  outcome: Outcome | undefined;
  /** The name of the command that started it, in a run with loops: a loop forgets its children that have ended. */
  by?: string;
}

export interface Cancelling {
  reason: string;
  deadlineMs: number;
  /** Set when the function has ended; the run ends when its children have. */
  stopped: string[] | undefined;
  outcomeUnknown: string[];
  undone: string[];
  /** Steps that take back what the function did, which has ended. */
  undoing: string[];
}

/** The assignment of a run to a worker. It is known to the owner alone and never recorded. */
export interface Attempt {
  /** `<partition>.<epoch>.<counter>`: what the worker shows with every report. */
  readonly token: string;
  /** The stream it went to. */
  readonly session: string;
  readonly run: RunRecord;
  /** Entries noted for the worker, to know whether its `idle` is up to date. */
  entries: number;
  /** The worker waits for the scheduler. */
  idle: boolean;
  /** Its journal is being read: what comes true meanwhile waits here. */
  building: Entry[] | undefined;
  /** W3C traceparent of the run's start: what its worker reports goes on from there. */
  trace: string | undefined;
}

const none: readonly never[] = Object.freeze([]);

/** An empty list that no one may push to; shared by all runs, since most have most of their lists empty. */
export function noneOf<T>(): T[] {
  return none as unknown as T[];
}

/** Appends, giving a run its own list when it first needs one. */
export function added<T>(list: T[], item: T): T[] {
  if ((list as unknown) === none) return [item];
  list.push(item);
  return list;
}

/** How long a list is copied and not grown: what grows takes room for sixteen more, and most runs have few commits. */
const copied = 8;

/** Appends to a list that is mostly short, and then exactly as large as it must be. */
export function extended<T>(list: T[], item: T): T[] {
  if (list.length < copied) return list.concat([item]); // spread would grow it
  list.push(item);
  return list;
}

/** Takes one item out. */
export function removed<T>(list: T[], index: number): T[] {
  if (list.length === 1) return noneOf();
  list.splice(index, 1);
  return list;
}

/** What stays as it was when the run was started. */
export interface RunOrigin {
  readonly tenant: string;
  readonly id: string;
  readonly workflow: string;
  readonly queue: string;
  readonly agent: string;
  readonly digest: string;
  readonly parent: string | undefined;
  /** Runs, agents and people that it acts for, nearest first. */
  readonly onBehalfOf: readonly string[];
  /** Ancestors. */
  readonly depth: number;
  readonly startedMs: number;
  /** 0: at once. */
  readonly notBeforeMs: number;
}

/** What most runs have as it is here, and share: a run gets its own when something of it is set, so that one which only waits is smaller. */
class Rare {
  parent: string | undefined = undefined;
  depth = 0;
  notBeforeMs = 0;
  /** A person is needed: its code diverged, somebody asked for it, or its time is over. */
  paused: false | RunEventData<'run.paused.v1'>['reason'] = false;
  /** Loops that it has begun; of what happened in one only the loop knows. */
  loops: Loop[] = noneOf();
  messages: Buffered[] = noneOf();
  children: Child[] = noneOf();
  notify: string[] = noneOf();
  cancel: Cancelling | undefined = undefined;
  /** What it may spend, and of what. */
  budget: Budget | undefined = undefined;
  /** Only workers of this version of its workflow get it. */
  pin: string | undefined = undefined;
}

const usual: Readonly<Rare> = Object.freeze(new Rare());

/** What the scheduler keeps in memory of a run: an index into the ledger, not the journal. All fields always exist, in this order. */
export class RunRecord implements RunOrigin, Sleeper {
  readonly tenant: string;
  readonly id: string;
  readonly workflow: string;
  readonly queue: string;
  readonly agent: string;
  readonly digest: string;
  readonly onBehalfOf: readonly string[];
  readonly startedMs: number;
  state: RunState = 'queued';
  /** All that is open is waits: it needs no worker until something comes true. */
  idle = false;
  /** Commits of the partition that hold its events. */
  commits: number[] = noneOf();
  /** Keys of the commands that have an outcome, see {@link keyOf}. */
  done: number[] = noneOf();
  opens: Open[] = noneOf();
  /** Identity has, or will have, a grant of it, to be closed at its end. */
  granted = true;
  endedMs = 0;
  private rare = usual;
  /** Not recorded from here on. When its owner must look at it next. */
  wakeMs = Infinity;
  live: Attempt | undefined = undefined;
  /** What it was started with, as long as that is all there is: its first worker needs no journal. */
  fresh: { started: RunEventData<'run.started.v1'>; trace: string | undefined } | undefined = undefined;
  /** No worker ever had it. */
  untouched = false;
  /** It stands in the line for a worker. */
  queued = false;

  constructor(origin: RunOrigin) {
    this.tenant = origin.tenant;
    this.id = origin.id;
    this.workflow = origin.workflow;
    this.queue = origin.queue;
    this.agent = origin.agent;
    this.digest = origin.digest;
    this.onBehalfOf = origin.onBehalfOf;
    this.startedMs = origin.startedMs;
    const { parent, depth, notBeforeMs } = origin;
    if (parent !== undefined || depth > 0 || notBeforeMs > 0) Object.assign(this.own, { parent, depth, notBeforeMs });
  }

  get ended(): boolean {
    return this.endedMs > 0;
  }

  get parent(): Rare['parent'] {
    return this.rare.parent;
  }
  get depth(): Rare['depth'] {
    return this.rare.depth;
  }
  get notBeforeMs(): Rare['notBeforeMs'] {
    return this.rare.notBeforeMs;
  }
  get paused(): Rare['paused'] {
    return this.rare.paused;
  }
  set paused(value: Rare['paused']) {
    if (value !== this.rare.paused) this.own.paused = value;
  }
  get loops(): Rare['loops'] {
    return this.rare.loops;
  }
  set loops(value: Rare['loops']) {
    if (value !== this.rare.loops) this.own.loops = value;
  }
  get messages(): Rare['messages'] {
    return this.rare.messages;
  }
  set messages(value: Rare['messages']) {
    if (value !== this.rare.messages) this.own.messages = value;
  }
  get children(): Rare['children'] {
    return this.rare.children;
  }
  set children(value: Rare['children']) {
    if (value !== this.rare.children) this.own.children = value;
  }
  get notify(): Rare['notify'] {
    return this.rare.notify;
  }
  set notify(value: Rare['notify']) {
    if (value !== this.rare.notify) this.own.notify = value;
  }
  get cancel(): Rare['cancel'] {
    return this.rare.cancel;
  }
  set cancel(value: Rare['cancel']) {
    if (value !== this.rare.cancel) this.own.cancel = value;
  }
  get budget(): Rare['budget'] {
    return this.rare.budget;
  }
  set budget(value: Rare['budget']) {
    if (value !== this.rare.budget) this.own.budget = value;
  }
  get pin(): Rare['pin'] {
    return this.rare.pin;
  }
  set pin(value: Rare['pin']) {
    if (value !== this.rare.pin) this.own.pin = value;
  }

  private get own(): Rare {
    if (this.rare === usual) this.rare = new Rare();
    return this.rare;
  }
}

/** Who may act in a run: its agent, and whoever it acts for, as identity gives out its tokens. Only their workers serve it. */
export function actorsOf({
  agent,
  onBehalfOf,
}: {
  agent: string;
  onBehalfOf?: readonly string[] | undefined;
}): readonly string[] {
  return [agent, ...(onBehalfOf ?? [])];
}

/** What a worker must have for a run: its workflow, of the version to which it is pinned. */
export function codeOf(workflow: string, version: string | undefined): string {
  return version === undefined ? workflow : `${workflow}@${version}`;
}

/** The position of the open command with this name and occurrence, or -1. */
export function openAt(run: RunRecord, name: string, occurrence: number): number {
  return run.opens.findIndex((open) => open.name === name && open.occurrence === occurrence);
}

/** A child that was never started. */
export function forgetChild(run: RunRecord, id: string | undefined): void {
  const position = run.children.findIndex((child) => child.id === id);
  if (position >= 0) run.children = removed(run.children, position);
}

/** Children that have not ended. */
export function openChildren(run: RunRecord): Child[] {
  return run.children.filter((child) => child.outcome === undefined);
}
