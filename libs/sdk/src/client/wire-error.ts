import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  type BadRequest,
  type ErrorInfo,
} from '@writ/proto/google/rpc/error_details';
import { StatusSchema } from '@writ/proto/google/rpc/status';
import { errorOf } from '../errors/error-of.js';
import { WritError } from '../errors/errors.js';

/** What gRPC itself says where no code of Writ came along: its own library, a proxy, a server that is none of ours. */
const foreignCodes: Readonly<Record<number, readonly [code: string, retryable: boolean]>> = {
  1: ['service.unavailable', true], // a call that we cancel ourselves never comes here: the other side tore it down
  3: ['request.failed', false],
  4: ['request.deadline_exceeded', true],
  8: ['request.too_large', false],
  12: ['request.not_found', false],
  14: ['service.unavailable', true],
  16: ['auth.invalid_token', false],
};

interface WireFailure {
  readonly code?: number;
  readonly details?: string;
  readonly message?: string;
  readonly metadata?: { get(name: string): (string | Buffer)[] };
}

interface Told {
  info?: ErrorInfo;
  bad?: BadRequest;
  retry: boolean;
}

/** The `google.rpc` messages that came with the status (AIP-193). */
function toldBy(failure: WireFailure): Told {
  const told: Told = { retry: false };
  const packed = failure.metadata?.get('grpc-status-details-bin')[0];
  if (!packed || typeof packed === 'string') return told;
  for (const any of fromBinary(StatusSchema, packed).details) {
    const info = anyUnpack(any, ErrorInfoSchema);
    const bad = anyUnpack(any, BadRequestSchema);
    if (info?.domain === 'writ') told.info = info;
    if (bad) told.bad = bad;
    told.retry ||= anyUnpack(any, RetryInfoSchema) !== undefined;
  }
  return told;
}

/** The error that a failed call of gRPC stands for; code, hint and details come from its `google.rpc.ErrorInfo`. */
export function errorOfStatus(failure: unknown): WritError {
  if (WritError.is(failure)) return failure;
  const wire = (failure ?? {}) as WireFailure;
  const message = wire.details || wire.message || 'the call failed';
  const requestId = wire.metadata?.get('x-request-id')[0]?.toString();
  const { info, bad, retry } = toldBy(wire);
  const { code, hint, ...metadata } = info?.metadata ?? {};
  const errors = bad?.fieldViolations.map((violation) => ({
    pointer: violation.field,
    message: violation.description,
  }));
  const [foreignCode, foreignRetryable] = foreignCodes[wire.code ?? -1] ?? ['internal.error', false];
  return errorOf(message, {
    code: code ?? foreignCode,
    retryable: info ? retry : foreignRetryable,
    details: { ...parsed(metadata), ...(errors ? { errors } : {}) },
    ...(requestId ? { requestId } : {}),
    ...(hint ? { hint } : {}),
  });
}

/** Metadata of an ErrorInfo are strings; what is no string on the server was made one as JSON. */
function parsed(metadata: Readonly<Record<string, string>>): Record<string, unknown> {
  const details: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(metadata)) details[name] = /^[[{]/.test(text) ? tryParse(text) : text;
  return details;
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
