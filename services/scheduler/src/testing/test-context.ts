import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import type { LimitsSchema } from '@writ/proto/run/v1/budget';
import { Kind, type CommandSchema, type Entry, type RetryPolicy } from '@writ/proto/worker/v1/worker';
import { answered, completed, joined, wire } from './run-values.js';

/** What a test's workflow sees: the bare commands of the protocol. */
export interface TestContext {
  readonly runId: string;
  readonly signal: AbortSignal;
  step<T>(name: string, body: (attempt: number) => T | Promise<T>, retry?: RetryPolicy): Promise<T>;
  sleep(ms: number, name?: string): Promise<void>;
  /** The message's data, or 'timeout'. */
  wait(message: string, timeoutMs?: number): Promise<unknown>;
  ask(title: string): Promise<{ approved: boolean; by: string; value: unknown }>;
  start(
    workflow: string,
    input: unknown,
    options?: {
      id?: string;
      cancelWithParent?: boolean;
      actions?: string[];
      limits?: MessageInitShape<typeof LimitsSchema>;
      attributes?: JsonObject;
    },
  ): Promise<string>;
  result(child: string): Promise<unknown>;
  /** How the children ended that it waited for together. */
  join(children: readonly string[], need: number): Promise<(string | undefined)[]>;
  /** Answers a query or, with `accept`, updates of this name. */
  handle(name: string, answer: (data: unknown) => unknown, accept?: (data: unknown) => void): void;
  emit(name: string, data: unknown): Promise<void>;
}
export type TestWorkflow = (ctx: TestContext, input: never) => Promise<unknown>;

export type Command = MessageInitShape<typeof CommandSchema>;

/** What a command is known by. */
export interface Key {
  kind: Kind;
  name: string;
  occurrence: number;
}

export interface Handler {
  answer(data: unknown): unknown;
  accept?(data: unknown): void;
}

/** A run, as what its function calls needs it. */
export interface CommandPort {
  readonly id: string;
  readonly signal: AbortSignal;
  /** The occurrence that the next command of this name will be. */
  next(name: string): number;
  /** @param go when it is asked for live, and again for each attempt */
  issue<T>(kind: Kind, name: string, read: (entry: Entry) => T, go: (key: Key, attempt: number) => void): Promise<T>;
  tell(command: Command): void;
  /** Tells what the run goes on behind only when it is recorded. */
  record(command: Command): void;
  perform(
    key: Key,
    attempt: number,
    body: (attempt: number) => unknown,
    policy: RetryPolicy | undefined,
    keep: (value: unknown) => void,
  ): void;
  handle(name: string, handler: Handler): void;
}

export function contextOf(run: CommandPort): TestContext {
  const kept = new Map<string, unknown>();
  return {
    runId: run.id,
    signal: run.signal,
    step: <T>(name: string, body: (attempt: number) => T | Promise<T>, retry?: RetryPolicy) => {
      const id = `${name}/${run.next(name)}`;
      const read = (entry: Entry) => (entry.outcome.case === 'recorded' ? kept.get(id) : completed(entry)) as T;
      return run.issue(Kind.STEP, name, read, (key, attempt) => {
        run.perform(key, attempt, body, retry, (value) => kept.set(id, value));
      });
    },
    sleep: (ms, name = 'sleep') =>
      run.issue(
        Kind.SLEEP,
        name,
        () => undefined,
        (key) =>
          run.tell({ ...key, what: { case: 'sleep', value: { until: { case: 'durationMs', value: BigInt(ms) } } } }),
      ),
    wait: (message, timeoutMs = 0) =>
      run.issue(
        Kind.MESSAGE,
        message,
        (entry) => (entry.outcome.case === 'timedOut' ? 'timeout' : completed(entry)),
        (key) => run.tell({ ...key, what: { case: 'wait', value: { message, timeoutMs: BigInt(timeoutMs) } } }),
      ),
    ask: (title) =>
      run.issue(Kind.APPROVAL, 'ask', answered, (key) =>
        run.tell({ ...key, what: { case: 'ask', value: { about: { case: 'question', value: { title } } } } }),
      ),
    start: (workflow, input, { id = '', cancelWithParent = false, actions, limits, attributes } = {}) =>
      run.issue(
        Kind.CHILD,
        workflow,
        (entry) => String(entry.outcome.value),
        (key) => {
          const grant = actions ? { grant: { capabilities: [{ actions }] } } : {};
          run.tell({
            ...key,
            what: {
              case: 'start',
              value: {
                runId: id,
                workflow,
                input: wire(input),
                cancelWithParent,
                ...grant,
                ...(limits && { limits }),
                ...(attributes && { attributes }),
              },
            },
          });
        },
      ),
    result: (child) =>
      run.issue(Kind.RESULT, `${child}/result`, completed, (key) =>
        run.tell({ ...key, what: { case: 'result', value: { runId: child } } }),
      ),
    join: (children, need) =>
      run.issue(Kind.RESULT, 'join', joined, (key) =>
        run.tell({ ...key, what: { case: 'join', value: { runIds: [...children], need } } }),
      ),
    handle: (name, answer, accept) => run.handle(name, { answer, ...(accept && { accept }) }),
    emit: (name, data) =>
      run.issue(
        Kind.EMIT,
        name,
        () => undefined,
        (key) => run.record({ ...key, what: { case: 'emit', value: wire(data) } }),
      ),
  };
}
