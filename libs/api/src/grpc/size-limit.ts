import { Metadata, status as Code, type ServerInterceptor, type ServerInterceptingCall } from '@grpc/grpc-js';
import { refuse } from '@writ/ledger/domain';
import { failureOf } from '../errors/failure.js';
import { DETAILS, grpcCode, statusDetails } from '../errors/grpc-status.js';

/**
 * grpc-js itself ends a call that sends a message beyond the limit, in the middle of a stream too, before any handler of ours
 * sees a byte of it, and says so in its own words. Here that end gets our code. It comes from the innermost object of the call,
 * which no interceptor wraps; so its `sendStatus` is replaced, once a call, and messages pass as before.
 */
export function sizeRefusal(maxBytes: number): ServerInterceptor {
  const detail = `a message of the request is larger than ${maxBytes} bytes, compressed or not`;
  const failure = failureOf(refuse('request.too_large', detail, { most: maxBytes }));
  const bytes = Buffer.from(statusDetails(failure));
  return (_method, call) => {
    const send = call.sendStatus.bind(call);
    call.sendStatus = (status) => {
      if (status.code !== Code.RESOURCE_EXHAUSTED || status.metadata?.get(DETAILS).length) return send(status);
      const metadata = new Metadata();
      metadata.set(DETAILS, bytes);
      send({ code: grpcCode(failure.status), details: detail, metadata });
    };
    return call as ServerInterceptingCall;
  };
}
