import { fromJson, toJson, type JsonValue } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate, ValueSchema } from '@bufbuild/protobuf/wkt';
import { RunService, RunState, type Payload } from '@writ/proto/run/v1/run';
import { decode, decodeBytes, encodeBytes, type Encoded } from '../codec/codec.js';
import type { CallOptions } from '../define/context.js';
import { durationMs } from '../define/duration.js';
import { parse } from '../define/schema.js';
import { definitionOf, type Messages, type Workflow, type WorkflowDefinition } from '../define/workflow.js';
import { errorOf } from '../errors/error-of.js';
import { CancelledError, TimeoutError, WritError } from '../errors/errors.js';
import { checkStartOptions } from '../run/child.js';
import { watch } from './events.js';
import { newId, newRunId } from './ids.js';
import type { ReplayReport, Run, StartOptions } from './run.js';
import { outageMs, pause, type Session } from './session.js';

const [shortPollMs, longPollMs] = [1_000, 30_000];
const ends = new Set(['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1']);

/** `writ.start` */
export async function startRun(
  session: Session,
  workflow: Workflow,
  input: unknown,
  opts: StartOptions = {},
): Promise<Run<unknown>> {
  checkStartOptions(opts, 'client');
  const def = definitionOf<WorkflowDefinition>(workflow);
  await parse(def.input, input, `the input of the workflow '${workflow.name}'`);
  const request = {
    workflow: workflow.name,
    id: opts.id ?? newRunId(),
    onConflict: opts.onConflict ?? '',
    queue: opts.queue ?? '',
    version: def.version ?? '',
    ...(input === undefined ? {} : { input: { data: encodeBytes(input) } }),
    ...(opts.at ? { startTime: timestampFromDate(opts.at) } : {}),
    grant: (opts.grant ?? []).map(({ actions, resources }) => ({
      actions: [...actions],
      resources: [...(resources ?? [])],
    })),
  };
  const { id } = await session.call(RunService.method.startRun, request, { signal: opts.signal });
  return runHandle(session, id, workflow);
}

/** A handle on a run; asks nothing until it is used. */
export function runHandle(session: Session, id: string, workflow?: Workflow): Run<unknown> {
  const messages: Messages = (workflow && definitionOf<WorkflowDefinition>(workflow).messages) ?? {};
  return {
    id,
    result: (opts) => awaitResult(session, id, opts),
    async send(message, data, opts = {}) {
      if (Object.hasOwn(messages, message)) await parse(messages[message], data, `the message '${message}'`);
      const payload = data === undefined ? {} : { data: { data: encodeBytes(data) } };
      const idempotencyKey = opts.idempotencyKey ?? newId('cmd');
      await session.call(
        RunService.method.sendMessage,
        { id, message, ...payload, idempotencyKey },
        { signal: opts.signal },
      );
    },
    async cancel({ reason = '', force = false, signal } = {}) {
      const receipt = await session.call(RunService.method.cancelRun, { id, reason, force }, { signal });
      return { stopped: receipt.stopped, outcomeUnknown: receipt.outcomeUnknown };
    },
    async resume({ signal } = {}) {
      await session.call(RunService.method.resumeRun, { id }, { signal });
    },
    replay: (opts) => replayRun(session, id, opts?.signal),
    [Symbol.asyncIterator]: () => runEvents(session, id),
  };
}

async function* runEvents(session: Session, id: string) {
  for await (const event of watch(session, { run: id, after: 'start' })) {
    yield event;
    if (event.subject === id && ends.has(event.type)) return;
  }
}

async function awaitResult(session: Session, id: string, opts: CallOptions = {}): Promise<unknown> {
  const until = opts.timeout === undefined ? Number.POSITIVE_INFINITY : Date.now() + durationMs(opts.timeout);
  let pollMs = longPollMs;
  for (;;) {
    const response = await patiently(until, opts.signal, async () => {
      const wait = durationFromMs(Math.max(0, Math.min(pollMs, until - Date.now())));
      // Where services come and go a long poll is always cut; a short one learns that the platform is there.
      pollMs = shortPollMs;
      const answer = await session.call(RunService.method.getRunResult, { id, wait }, { signal: opts.signal });
      pollMs = longPollMs;
      return answer;
    });
    if (response.state === RunState.SUCCEEDED) {
      if (response.result) return decodeBytes(await resultBytes(session, id, response.result, opts.signal));
      return response.jsonResult && decode(toJson(ValueSchema, response.jsonResult) as Encoded);
    }
    if (response.state === RunState.CANCELLED)
      throw new CancelledError(response.error?.message || `the run ${id} was cancelled`);
    if (response.state === RunState.FAILED) {
      const { code = 'run.failed', message = 'the run failed', details = {} } = response.error ?? {};
      throw errorOf(message, { code, details: decode(details as Encoded) as Record<string, unknown> });
    }
    if (Date.now() >= until) throw new TimeoutError(`the run ${id} did not end in time`, { details: { run: id } });
  }
}

/** Who waits for a run of days does not give up because the platform restarts. */
async function patiently<T>(until: number, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
  let patience: number | undefined;
  for (;;)
    try {
      return await ask();
    } catch (error) {
      patience ??= Math.min(until, Date.now() + outageMs);
      if (!WritError.is(error) || !error.retryable || signal?.aborted || Date.now() >= patience) throw error;
      await pause(1_000, signal);
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
  return { same: false, firstDifference };
}

/** A JSON value as the wire has it. */
export const jsonValue = (value: unknown) => fromJson(ValueSchema, value as JsonValue);
