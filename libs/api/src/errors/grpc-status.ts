import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Metadata, status as Code, type StatusObject } from '@grpc/grpc-js';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '@writ/proto/google/rpc/error_details';
import { StatusSchema } from '@writ/proto/google/rpc/status';
import { DomainError, type Json } from '@writ/ledger/domain';
import type { Failure } from './failure.js';

/** Metadata of a status that carries our code. */
export const DETAILS = 'grpc-status-details-bin';

/** gRPC's code for the HTTP status of a catalogue entry. */
export function grpcCode(httpStatus: number): Code {
  switch (httpStatus) {
    case 400:
    case 406:
    case 415:
    case 422:
      return Code.INVALID_ARGUMENT;
    case 401:
      return Code.UNAUTHENTICATED;
    case 403:
      return Code.PERMISSION_DENIED;
    case 404:
    case 410:
      return Code.NOT_FOUND;
    case 405:
    case 501:
      return Code.UNIMPLEMENTED;
    case 409:
    case 412:
      return Code.ABORTED;
    case 428:
      return Code.FAILED_PRECONDITION;
    case 413:
    case 429:
      return Code.RESOURCE_EXHAUSTED;
    case 499:
      return Code.CANCELLED;
    case 503:
      return Code.UNAVAILABLE;
    case 504:
      return Code.DEADLINE_EXCEEDED;
    default:
      return httpStatus < 500 ? Code.FAILED_PRECONDITION : Code.INTERNAL;
  }
}

/** The bytes of `grpc-status-details-bin`: google.rpc.Status with exactly one ErrorInfo, and what else applies (AIP-193). */
export function statusDetails(failure: Failure): Uint8Array {
  const metadata: Record<string, string> = { code: failure.code };
  for (const [name, value] of Object.entries(failure.details))
    metadata[name] = typeof value === 'string' ? value : JSON.stringify(value);
  if (failure.hint) metadata['hint'] = failure.hint;
  const reason = failure.code.replace(/\W/g, '_').toUpperCase();
  const details = [pack(ErrorInfoSchema, { reason, domain: 'writ', metadata })];
  if (failure.violations.length > 0) {
    const fieldViolations = failure.violations.map(({ field, detail }) => ({ field, description: detail }));
    details.push(pack(BadRequestSchema, { fieldViolations }));
  }
  if (failure.retry) details.push(pack(RetryInfoSchema, { retryDelay: { seconds: 0n, nanos: 200_000_000 } }));
  return toBinary(
    StatusSchema,
    create(StatusSchema, { code: grpcCode(failure.status), message: failure.detail, details }),
  );
}

function pack<D extends DescMessage>(schema: D, init: MessageInitShape<D>) {
  return anyPack(schema, create(schema, init));
}

/** What grpc-js sends as the end of a failed call. */
export function grpcStatus(failure: Failure, requestId: string): StatusObject {
  const metadata = new Metadata();
  metadata.set(DETAILS, Buffer.from(statusDetails(failure)));
  metadata.set('x-request-id', requestId);
  return { code: grpcCode(failure.status), details: failure.detail, metadata };
}

/** The error of a finished call as the caller's side sees it: our own code where the server sent one. */
export function fromGrpcStatus(error: { code?: number; details?: string; metadata?: Metadata }): DomainError {
  const bytes = error.metadata?.get(DETAILS)[0];
  const detail = error.details ?? 'the call failed';
  if (bytes instanceof Uint8Array) {
    const status = fromBinary(StatusSchema, bytes);
    for (const any of status.details) {
      const info = anyUnpack(any, ErrorInfoSchema);
      const code = info?.metadata['code'];
      if (info?.domain === 'writ' && code) return new DomainError(code, status.message, readMetadata(info.metadata));
    }
  }
  return new DomainError(foreignCode(error.code), detail, { grpcCode: error.code ?? Code.UNKNOWN });
}

function readMetadata(metadata: Record<string, string>): Record<string, Json> {
  const { code: _code, hint: _hint, ...details } = metadata;
  return details;
}

/** For statuses that no Writ service made: the gRPC library's own, a proxy's, another server's. */
function foreignCode(code: number | undefined): string {
  if (code === Code.CANCELLED) return 'request.cancelled';
  if (code === Code.DEADLINE_EXCEEDED) return 'request.deadline_exceeded';
  if (code === Code.UNAVAILABLE) return 'service.unavailable';
  if (code === Code.RESOURCE_EXHAUSTED) return 'request.too_large';
  if (code === Code.UNIMPLEMENTED) return 'request.not_found';
  if (code === Code.UNAUTHENTICATED) return 'auth.invalid_token';
  return code === Code.INTERNAL || code === Code.UNKNOWN ? 'internal.error' : 'request.failed';
}
