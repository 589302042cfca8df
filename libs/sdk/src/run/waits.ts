import { decodeBytes, encodeBytes } from '../codec/codec.js';
import type { Answer, CallOptions, Question } from '../define/context.js';
import { durationMs, type Duration } from '../define/duration.js';
import { parse, type DescribedSchema, type Schema } from '../define/schema.js';
import { TimeoutError, WritError } from '../errors/errors.js';
import { assertNotInStep } from './inside.js';
import { assertOneTaker } from './loop.js';
import type { Wish } from './record.js';
import { deniedBy } from './refusal.js';
import type { RunScope } from './scope.js';
import { limitMs, valueOf } from './steps.js';

const optional = (value: unknown) => (value === undefined ? undefined : encodeBytes(value));

/** `ctx.sleep` */
export async function sleep(
  scope: RunScope,
  until: Duration | Date,
  opts: { signal?: AbortSignal } = {},
): Promise<void> {
  assertNotInStep('ctx.sleep');
  const wish: Wish =
    until instanceof Date
      ? { type: 'sleep-until', atMs: until.getTime() }
      : { type: 'sleep', durationMs: durationMs(until) };
  valueOf(await scope.issue({ kind: 'sleep', name: 'sleep', signal: opts.signal, wish }).outcome);
}

/** `ctx.wait` */
export async function wait(scope: RunScope, message: string, opts: CallOptions = {}): Promise<unknown> {
  assertNotInStep(`ctx.wait('${message}')`);
  if (!Object.hasOwn(scope.messages, message))
    throw new WritError(`the workflow '${scope.definition.name}' declares no message '${message}'`, {
      code: 'input.invalid',
    });
  assertOneTaker(scope, message);
  const wish: Wish = { type: 'wait', message, timeoutMs: limitMs(opts.timeout) };
  const { outcome: settled } = scope.issue({ kind: 'message', name: message, signal: opts.signal, wish });
  const outcome = await settled;
  if (outcome.type === 'timed_out')
    throw new TimeoutError(`no message '${message}' came in time`, { code: 'run.wait_timeout', details: { message } });
  return parse(scope.messages[message], valueOf(outcome), `the message '${message}'`);
}

/** `ctx.ask` */
export async function ask<S extends Schema>(scope: RunScope, question: Question<S>): Promise<Answer<unknown>> {
  assertNotInStep('ctx.ask');
  const wish: Wish = {
    type: 'ask',
    timeoutMs: limitMs(question.timeout),
    question: {
      title: question.title,
      detail: optional(question.detail),
      schema: optional(schemaOf(question.schema)),
      approvers: question.approvers ?? [],
      ...(question.remind !== undefined && { remindMs: [question.remind].flat().map(durationMs) }),
      ...(question.escalate && {
        escalate: [question.escalate].flat().map(({ after, to }) => ({ afterMs: durationMs(after), to })),
      }),
    },
  };
  const { signal } = question;
  const outcome = await scope.issue({ kind: 'approval', name: 'ask', signal, wish }).outcome;
  if (outcome.type === 'failed') valueOf(outcome);
  if (outcome.type !== 'answered')
    throw new TimeoutError(`nobody answered '${question.title}' in time`, {
      code: 'approval.expired',
      details: { title: question.title },
    });
  const { answer } = outcome;
  if (!answer.approved) throw deniedBy(answer, question.title);
  const value: unknown = question.schema
    ? await parse(
        question.schema,
        answer.value === undefined ? undefined : decodeBytes(answer.value),
        `the answer to '${question.title}'`,
      )
    : true;
  return { value, by: answer.by, at: new Date(answer.atMs), decisionId: answer.approvalId };
}

/** JSON Schema of the answer, where the schema can describe itself: what the person is shown a form of. */
function schemaOf(schema: Schema | undefined): unknown {
  const described = (schema as DescribedSchema | undefined)?.['~standard'].jsonSchema;
  return described?.input({ target: 'draft-2020-12' });
}

/** `ctx.emit` */
export async function emit(scope: RunScope, name: string, data: unknown): Promise<void> {
  assertNotInStep(`ctx.emit('${name}')`);
  await scope.issue({ kind: 'emit', name, wish: { type: 'emit', value: optional(data) } }).outcome;
}
