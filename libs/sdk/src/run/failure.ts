import { decodeBytes, encodeBytes } from '../codec/codec.js';
import { plain } from '../codec/plain.js';
import { DeniedError, WritError } from '../errors/errors.js';
import { errorOf } from '../errors/error-of.js';
import type { Failure } from './record.js';

/** What is kept of anything that was thrown. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error) && !WritError.is(error)) return { code: 'error', message: plain(describe(error)) };
  const details = WritError.is(error) ? detailsOf(error) : foreignDetails(error);
  const encoded = Object.keys(details).length > 0 ? tryEncode(details) : undefined;
  return {
    code: WritError.is(error) ? plain(error.code) : 'error',
    message: plain(error.message),
    ...(encoded ? { details: encoded } : {}),
    ...(error.stack ? { stack: plain(error.stack) } : {}),
  };
}

function describe(thrown: unknown): string {
  return typeof thrown === 'string' ? thrown : (tryEncode(thrown)?.toString() ?? String(thrown));
}

function detailsOf(error: WritError): Record<string, unknown> {
  return {
    ...error.details,
    ...(error instanceof DeniedError ? { decision: error.decision } : {}),
    ...(error.hint ? { hint: error.hint } : {}),
    ...(error.requestId ? { requestId: error.requestId } : {}),
  };
}

/** `ENOENT` and `TypeError` are worth keeping, the rest of a foreign error is not ours to record. */
function foreignDetails(error: Error & { code?: unknown }): Record<string, unknown> {
  return {
    ...(error.name !== 'Error' ? { name: error.name } : {}),
    ...(typeof error.code === 'string' ? { code: error.code } : {}),
  };
}

function tryEncode(value: unknown): Uint8Array | undefined {
  try {
    return encodeBytes(value);
  } catch {
    return undefined;
  }
}

/** The error that a recorded failure stands for: the same one in the first execution and in every replay. */
export function errorOfFailure(failure: Failure): WritError {
  const decoded = failure.details ? decodeBytes(failure.details) : undefined;
  const { hint, requestId, ...details } = (typeof decoded === 'object' && decoded !== null ? decoded : {}) as Record<
    string,
    unknown
  >;
  const error = errorOf(failure.message, {
    code: failure.code,
    details,
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(typeof requestId === 'string' ? { requestId } : {}),
  });
  if (failure.stack) error.stack = failure.stack;
  return error;
}
