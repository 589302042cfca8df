import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Caller } from './caller.js';

type Method = Pick<DescMethod, 'methodKind'> & { input: DescMessage; output: DescMessage };

type Handler<M extends Method> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, caller: Caller) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, caller: Caller) => AsyncIterable<MessageInitShape<M['output']>>
    : M['methodKind'] extends 'client_streaming'
      ? (requests: AsyncIterable<MessageShape<M['input']>>, caller: Caller) => Promise<MessageInitShape<M['output']>>
      : (
          requests: AsyncIterable<MessageShape<M['input']>>,
          caller: Caller,
        ) => AsyncIterable<MessageInitShape<M['output']>>;

/**
 * What a class that serves a proto service has to be: one method for each rpc, by its local name. Requests arrive decoded
 * and validated, the caller admitted. A handler answers with the fields of the response, throws `DomainError` to refuse,
 * and stops when `caller.signal` is aborted.
 */
export type ServiceImplementation<S extends DescService> = {
  [K in keyof S['method']]: S['method'][K] extends Method ? Handler<S['method'][K]> : never;
};
