import { fromJson, toJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import {
  RunService,
  RunState,
  type Payload,
  type SendMessageRequestSchema,
  type SendMessageResponse,
  type StartRunRequestSchema,
  type StartRunResponse,
  type Warning,
} from '@writ/proto/run/v1/run';
import type { StoredAt } from '../codec/stored.js';
import { decode, decodeBytes, encodeBytes, type Encoded } from '../codec/codec.js';
import type { CallOptions } from '../define/context.js';
import { checkAttributes } from '../define/attributes.js';
import { durationMs } from '../define/duration.js';
import { givenBytes } from '../define/given.js';
import { countedLimits, limitsOut } from '../define/limits.js';
import { parse } from '../define/schema.js';
import { definitionOf, type Workflow, type WorkflowDefinition } from '../define/workflow.js';
import { errorOf } from '../errors/error-of.js';
import { CancelledError, TimeoutError, WritError } from '../errors/errors.js';
import { checkStartOptions } from '../run/child.js';
import { queryRun, updateRun } from './consult.js';
import { Ends } from './ends.js';
import { watch } from './events.js';
import { newId, newRunId } from './ids.js';
import type { ReplayReport, Run, StartOptions } from './run.js';
import { streamRun } from './run-stream.js';
import type { Session } from './session.js';
import { errorOfProblem, Together } from './together.js';

/** Node's timers take 31 bits of milliseconds. */
const longestMs = 2 ** 31 - 1;
const endTypes = new Set(['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1']);

type StartRequest = MessageInitShape<typeof StartRunRequestSchema>;
type SendRequest = MessageInitShape<typeof SendMessageRequestSchema>;

/** A partition that has no owner for a moment must not hold up what is sent to others. */
const mostSends = 8;

/** What starts runs, sends them messages and waits for them: many of a client go together. */
export class RunClient {
  readonly starts: Together<StartRequest, StartRunResponse>;
  readonly sends: Together<SendRequest, SendMessageResponse>;
  readonly ends: Ends;
  readonly #warned = new Set<string>();

  constructor(readonly session: Session) {
    const { startRuns, sendMessages } = RunService.method;
    this.starts = new Together(session, 1, async (items) => (await session.call(startRuns, { items })).items);
    this.sends = new Together(session, mostSends, async (items) => (await session.call(sendMessages, { items })).items);
    this.ends = new Ends(session);
  }

  /** A warning of the process, once for each text: it stands on stderr, or goes to who listens for `warning`. */
  warn({ code, text }: Warning): void {
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    process.emitWarning(text, { type: 'WritWarning', code });
  }
}

/** `writ.start` */
export async function startRun(
  client: RunClient,
  workflow: Workflow,
  input: unknown,
  opts: StartOptions = {},
): Promise<Run<unknown>> {
  checkStartOptions(opts, 'client');
  if (opts.attributes) checkAttributes(opts.attributes, false);
  const def = definitionOf<WorkflowDefinition>(workflow);
  await parse(def.input, input, `the input of the workflow '${workflow.name}'`);
  const data = input === undefined ? undefined : encodeBytes(input);
  const { limits = def.limits } = opts;
  const request = {
    workflow: workflow.name,
    id: opts.id ?? newRunId(),
    onConflict: opts.onConflict ?? '',
    queue: opts.queue ?? '',
    key: opts.key ?? '',
    priority: opts.priority ?? 0,
    version: def.version ?? '',
    pinned: def.pinned ?? false,
    ...(data && { input: { data } }),
    ...(opts.send ? { send: await firstMessage(def, opts.send) } : {}),
    ...(opts.at ? { startTime: timestampFromDate(opts.at) } : {}),
    ...(opts.attributes ? { attributes: { ...opts.attributes } } : {}),
    ...(opts.fork ? { fork: { after: '', ...opts.fork } } : {}),
    ...(limits ? { limits: limitsOut(countedLimits(limits)) } : {}),
    grant: (opts.grant ?? []).map(({ actions, resources }) => ({
      actions: [...actions],
      resources: [...(resources ?? [])],
    })),
  };
  const { id, warnings } = await client.starts.add(request, data?.length ?? 0, opts.signal);
  for (const warning of warnings) client.warn(warning);
  return runHandle(client, id, workflow);
}

async function firstMessage(
  def: WorkflowDefinition,
  { message, data, idempotencyKey }: NonNullable<StartOptions['send']>,
) {
  const bytes = await givenBytes(def, 'message', message, data);
  return { message, idempotencyKey: idempotencyKey ?? newId('cmd'), ...(bytes && { data: { data: bytes } }) };
}

const decoded = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : decodeBytes(bytes));

/** A handle on a run; asks nothing until it is used. */
export function runHandle(client: RunClient, id: string, workflow?: Workflow): Run<unknown> {
  const { session } = client;
  const definition = workflow && definitionOf<WorkflowDefinition>(workflow);
  return {
    id,
    result: (opts) => awaitResult(client, id, opts),
    async send(message, data, opts = {}) {
      const payload = await givenBytes(definition, 'message', message, data);
      const idempotencyKey = opts.idempotencyKey ?? newId('cmd');
      const request = { id, message, idempotencyKey, ...(payload && { data: { data: payload } }) };
      await client.sends.add(request, payload?.length ?? 0, opts.signal);
    },
    async query(query: string, input?: unknown, { signal }: CallOptions = {}) {
      return decoded(
        await queryRun(session, id, query, await givenBytes(definition, 'query', query, input), { signal }),
      );
    },
    async update(update: string, input?: unknown, opts: CallOptions & { idempotencyKey?: string } = {}) {
      const data = await givenBytes(definition, 'update', update, input);
      const { idempotencyKey = newId('cmd') } = opts;
      const ask = (signal: AbortSignal | undefined) => updateRun(session, id, update, data, { idempotencyKey, signal });
      return decoded(await inTime(`run ${id} did not do '${update}' in time`, opts, ask));
    },
    async cancel({ reason = '', force = false, signal } = {}) {
      const receipt = await session.call(RunService.method.cancelRun, { id, reason, force }, { signal });
      const { stopped, undone, outcomeUnknown } = receipt;
      return { stopped, undone, outcomeUnknown };
    },
    async pause({ reason = '', signal } = {}) {
      await session.call(RunService.method.pauseRun, { id, reason }, { signal });
    },
    async resume({ signal } = {}) {
      await session.call(RunService.method.resumeRun, { id }, { signal });
    },
    async restart(from, { reason = '', signal } = {}) {
      const { dropped } = await session.call(RunService.method.restartRun, { id, from, reason }, { signal });
      return { dropped };
    },
    stream: (opts) => streamRun(session, id, opts),
    replay: (opts) => replayRun(session, id, opts?.signal),
    [Symbol.asyncIterator]: () => runEvents(session, id),
  };
}

async function* runEvents(session: Session, id: string) {
  for await (const event of watch(session, { run: id, after: 'start' })) {
    yield event;
    if (event.subject === id && endTypes.has(event.type)) return;
  }
}

async function awaitResult({ session, ends }: RunClient, id: string, opts: CallOptions = {}): Promise<unknown> {
  const { state, result, error, problem } = await inTime(`the run ${id} did not end in time`, opts, (signal) =>
    ends.wait(id, signal),
  );
  if (problem) throw errorOfProblem(problem);
  if (state === RunState.SUCCEEDED)
    return (
      result && decodeBytes(await resultBytes(session, id, result, opts.signal), (at) => storedBytes(session, id, at))
    );
  if (state === RunState.CANCELLED) throw new CancelledError(error?.message || `the run ${id} was cancelled`);
  const { code = 'run.failed', message = 'the run failed', details = {} } = error ?? {};
  throw errorOf(message, { code, details: decode(details as Encoded) as Record<string, unknown> });
}

/** @throws TimeoutError */
async function inTime<T>(
  late: string,
  { timeout, signal }: CallOptions,
  wait: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (timeout === undefined) return wait(signal);
  const stop = new AbortController();
  const timeoutMs = Math.min(durationMs(timeout), longestMs);
  const timer = setTimeout(() => {
    stop.abort(new TimeoutError(late));
  }, timeoutMs);
  try {
    return await wait(signal ? AbortSignal.any([signal, stop.signal]) : stop.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** One that is too large for an answer comes in pieces. */
async function resultBytes(
  session: Session,
  id: string,
  { blob, data }: Payload,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (!blob) return data;
  const chunks: Uint8Array[] = [];
  for await (const { chunk } of session.stream(RunService.method.readRunResult, { id }, { signal })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a step gave as a stream, out of the result of its run. */
async function* storedBytes(session: Session, id: string, { hash: stored }: StoredAt): AsyncGenerator<Uint8Array> {
  for await (const { chunk } of session.stream(RunService.method.readRunResult, { id, stored }, {})) yield chunk;
}

async function replayRun(session: Session, id: string, signal: AbortSignal | undefined): Promise<ReplayReport> {
  const report = await session.call(RunService.method.replayRun, { id }, { signal, timeoutMs: 120_000 });
  if (report.liveCalls > 0)
    throw new WritError(`the replay of ${id} performed ${report.liveCalls} calls`, { code: 'run.replay_failed' });
  if (report.same) return { same: true };
  const json = (value: typeof report.expected) => value && toJson(ValueSchema, value);
  const firstDifference = {
    event: report.firstDifference,
    expected: json(report.expected),
    actual: json(report.actual),
  };
  return { same: false, firstDifference, ...(report.diff && { diff: report.diff }) };
}

/** A JSON value as the wire has it. */
export const jsonValue = (value: unknown) => fromJson(ValueSchema, value as JsonValue);
