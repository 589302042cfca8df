import { RunService, type Payload } from '@writ/proto/run/v1/run';
import { decode, type Encoded } from '../codec/codec.js';
import { errorOf } from '../errors/error-of.js';
import { WritError } from '../errors/errors.js';
import type { Bytes } from '../run/record.js';
import type { Session } from './session.js';

/** As whom it is asked, and until when. */
interface Asking {
  readonly run?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One call waits so long for an update; then the next one does. */
const waitSeconds = 25n;
const callMs = 40_000;

/** Asks a run. @throws what its code threw */
export async function queryRun(
  session: Session,
  id: string,
  query: string,
  data: Bytes,
  asking: Asking,
): Promise<Bytes> {
  const request = { id, query, ...payloadOf(data) };
  const { answer } = await session
    .call(RunService.method.queryRun, request, asking)
    .catch((error: unknown) => Promise.reject(ofTheCode(error)));
  return bytesOf(answer);
}

/** Has a run do something; asks again until it is done. @throws what its code refused it with, or failed with */
export async function updateRun(
  session: Session,
  id: string,
  update: string,
  data: Bytes,
  asking: Asking & { readonly idempotencyKey: string },
): Promise<Bytes> {
  const { idempotencyKey, ...calling } = asking;
  const request = { id, update, ...payloadOf(data), idempotencyKey, wait: { seconds: waitSeconds, nanos: 0 } };
  for (;;) {
    const { done, answer, error } = await session
      .call(RunService.method.updateRun, request, { ...calling, timeoutMs: callMs })
      .catch((reason: unknown) => Promise.reject(ofTheCode(reason)));
    if (error) throw errorOf(error.message, { code: error.code, details: detailsOf(error.details) });
    if (done) return bytesOf(answer);
  }
}

const payloadOf = (data: Bytes) => (data === undefined ? {} : { data: { data } });
const detailsOf = (details: object | undefined) => decode((details ?? {}) as Encoded) as Record<string, unknown>;

function bytesOf(answer: Payload | undefined): Bytes {
  if (!answer) return undefined;
  if (!answer.blob) return answer.data;
  throw new WritError(
    'the answer is too large to be given back; a step of the run may keep it, and its result give it',
    {
      code: 'run.value_too_large',
    },
  );
}

/** The code of the run refuses under codes of its own. */
function ofTheCode(error: unknown): unknown {
  if (!WritError.is(error, 'run.update_refused') && !WritError.is(error, 'run.query_failed')) return error;
  const { reason, ...details } = error.details;
  if (typeof reason !== 'string' || reason === 'error') return error;
  return errorOf(error.message, { code: reason, details });
}
