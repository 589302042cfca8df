import type { LedgerEvent } from '../client/event.js';
import type { AttributeChanges } from '../define/attributes.js';
import type { CountedLimits } from '../define/limits.js';
import { CancelledError } from '../errors/errors.js';
import { TestStream } from './test-stream.js';
import type { RunExecutor } from '../run/executor.js';
import { errorOfFailure } from '../run/failure.js';
import { defaults, delayMs } from '../run/retry.js';
import {
  keyText,
  loopPrefix,
  type Bytes,
  type Command,
  type Entry,
  type Failure,
  type Key,
  type KeptEntries,
  type Outcome,
  type Pending,
  type Receipt,
  type RunEnd,
} from '../run/record.js';

/** A command that was reported and has no end yet. */
export interface OpenCommand extends Key {
  failures: number;
  /** Failures before a person let it be tried anew, and when that was, or the first failure. */
  excused: number;
  since: number;
  /** It waits for that person. */
  exhausted?: boolean;
  /** It waits for more budget. */
  outOfBudget?: boolean;
  /** It is a child for which there was no budget. */
  start?: () => void;
  /** The next attempt is to be made now. */
  due: boolean;
  /** The message, approval or child that it waits for. */
  readonly on?: string;
  stopTimer: () => void;
}

/** How a run ended, for those who wait for it. */
export type TestEnd =
  | { state: 'succeeded'; value: Bytes }
  | { state: 'failed'; error: Failure; receipt?: Receipt }
  | { state: 'cancelled'; receipt: Receipt };

/** What is to be started. */
export interface StartSpec {
  readonly id: string;
  readonly workflow: string;
  readonly input: Bytes;
  readonly queue: string;
  readonly attach: boolean;
  readonly at?: number;
  /** Of its place in a queue with limits. */
  readonly key?: string;
  readonly priority?: number;
  readonly limits?: CountedLimits;
  readonly parent?: string;
}

/** One run as the in-process scheduler keeps it. */
export class TestRun {
  executor: RunExecutor | undefined;
  readonly journal: Entry[] = [];
  readonly open = new Map<string, OpenCommand>();
  /** What attempts said last about themselves. */
  readonly progress = new Map<string, Bytes>();
  readonly messages: { name: string; data: Bytes }[] = [];
  readonly events: LedgerEvent[] = [];
  /** What its steps wrote. */
  readonly stream = new TestStream();
  /** Somebody asks it something that it can answer at once. */
  asked = false;
  /** What came true while it has no slot in its queue. */
  readonly undelivered: Entry[] = [];
  /** Of messages that were sent under one. */
  readonly keys = new Set<string>();
  /** What became of updates, by name and key; nothing yet of those that are handled. */
  readonly updates = new Map<string, Outcome | undefined>();
  readonly children: string[] = [];
  /** Those that are cancelled when it ends. */
  readonly cancelledWith: string[] = [];
  end: TestEnd | undefined;
  cancelReason: string | undefined;
  readonly attributes: Record<string, string | number | boolean> = {};
  /** Somebody asked for it: nothing executes it. */
  paused = false;
  /** Its time is over: paused until there is more. */
  outOfTime = false;
  /** Its executor has something to do, or has not said that it has not. */
  busy = true;
  attempt = 0;
  readonly #waiting: (() => void)[] = [];

  readonly id: string;
  readonly workflow: string;
  readonly input: Bytes;
  readonly queue: string;
  readonly restarts: number;
  /** Where the journal begins with what an earlier life, or another run, recorded. */
  readonly kept: KeptEntries[] = [];

  constructor(
    spec: { id: string; workflow: string; input: Bytes; queue: string; restarts?: number },
    readonly startedAtMs: number,
  ) {
    ({
      id: this.id,
      workflow: this.workflow,
      input: this.input,
      queue: this.queue,
      restarts: this.restarts = 0,
    } = spec);
  }

  get life(): string {
    return this.restarts === 0 ? this.id : `${this.id}~${this.restarts}`;
  }

  get pending(): Pending[] {
    return [...this.open.values()].map(({ kind, name, occurrence, failures, due }) => ({
      kind,
      name,
      occurrence,
      failures,
      due,
    }));
  }

  set(changes: AttributeChanges): void {
    for (const [key, value] of Object.entries(changes))
      if (value === null) delete this.attributes[key];
      else this.attributes[key] = value;
  }

  find(kind: Key['kind'], on: string): OpenCommand | undefined {
    return [...this.open.values()].find((command) => command.kind === kind && command.on === on);
  }

  /** A loop begins a generation: what its turns did before is in no journal any more. */
  forgetTurns(loop: Key): void {
    const prefix = loopPrefix(loop);
    const kept = this.journal.filter((entry) => !entry.name.startsWith(prefix) && keyText(entry) !== keyText(loop));
    this.journal.splice(0, this.journal.length, ...kept);
  }

  close(key: Key): void {
    this.open.get(keyText(key))?.stopTimer();
    this.open.delete(keyText(key));
  }

  finish(end: TestEnd): void {
    this.end = end;
    this.busy = false;
    for (const command of this.open.values()) command.stopTimer();
    this.wake();
  }

  /** Something happened: whoever waits looks again. */
  wake(): void {
    for (const waiting of this.#waiting.splice(0)) waiting();
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** What `result()` gives for an end. @throws the error of the run */
export function resultOf(end: TestEnd): Bytes {
  if (end.state === 'failed') throw errorOfFailure(end.error);
  if (end.state === 'cancelled') throw new CancelledError('the run was cancelled');
  return end.value;
}

/** The end that a replay compares with. */
export function endOf(end: TestEnd | undefined): RunEnd | undefined {
  if (!end) return undefined;
  if (end.state === 'succeeded') return { type: 'completed', value: end.value };
  return end.state === 'failed' ? { type: 'failed', error: end.error } : { type: 'cancelled', receipt: end.receipt };
}

/** Milliseconds before the next attempt, or undefined where none is left; without the jitter, the numbers of the scheduler. */
export function retryDelayMs({ what }: Command, open: OpenCommand, now: number): number | undefined {
  if (what.type !== 'failed') return undefined;
  const { policy, retryAfterMs } = what;
  const failures = open.failures - open.excused;
  if (failures >= (policy.attempts ?? defaults.attempts)) return undefined;
  const delay = retryAfterMs ?? delayMs(policy, failures, 0);
  return now - open.since + delay > (policy.totalMs ?? Infinity) ? undefined : delay;
}

/** The same start again finds the run that is there. */
export function sameStart(run: TestRun, spec: { workflow: string; input: Bytes }): boolean {
  return (
    run.workflow === spec.workflow && Buffer.compare(run.input ?? Buffer.alloc(0), spec.input ?? Buffer.alloc(0)) === 0
  );
}

export const noTimer = (): void => {};

export const keyOf = ({ kind, name, occurrence }: Key): Key => ({ kind, name, occurrence });

/** A command that begins to be waited for. */
export const opened = (key: Key, since: number): OpenCommand => ({
  ...keyOf(key),
  failures: 0,
  excused: 0,
  since,
  due: false,
  stopTimer: noTimer,
});
