export {
  GrpcChannel,
  clientOf,
  type CallOptions,
  type ChannelOptions,
  type GrpcClient,
} from './client/grpc-channel.js';
export { readContract, type HttpBinding, type HttpVerb, type MethodContract } from './contract/contract.js';
export { allErrors, apiErrors, authErrors, entryOf, registerErrors, type CatalogueEntry } from './errors/catalogue.js';
export { eventMessage } from './events/event-message.js';
export { failureOf, invalid, registerTranslation, type Failure, type FieldViolation } from './errors/failure.js';
export { fromGrpcStatus, grpcCode, grpcStatus } from './errors/grpc-status.js';
export { PROBLEM_TYPE, problemOf, type Problem } from './errors/problem.js';
export { GrpcServer, type GrpcServerOptions } from './grpc/grpc-server.js';
export { healthService } from './grpc/health.js';
export { GrpcProxy, type GrpcProxyOptions } from './grpc/proxy.js';
export { reflectionServices } from './grpc/reflection.js';
export { abortable } from './kernel/abortable.js';
export {
  anonymous,
  type Authenticator,
  type CalledMethod,
  type Caller,
  type Headers,
  type Identity,
} from './kernel/caller.js';
export { checkerOf } from './kernel/checker.js';
export { holds, mustHold } from './kernel/holds.js';
export type { ServiceImplementation } from './kernel/implementation.js';
export { Kernel, requestIdOf, type ApiLog, type KernelOptions, type Served } from './kernel/kernel.js';
export { traceOnly, traceparentOf, type CallObserver, type ObservedCall } from './kernel/trace.js';
export { ApiModule, type ApiModuleOptions } from './nest/api.module.js';
export { ApiService, servedBy } from './nest/api-service.js';
export { openApiDocument, type OpenApiOptions } from './openapi/document.js';
export { fastifyOptions } from './rest/fastify-options.js';
export { frameworkFailure } from './rest/framework-failure.js';
export { ProblemFilter } from './rest/problem.filter.js';
export { RestTranscoder, headersOf, sendProblem, type RestOptions } from './rest/rest-transcoder.js';
export type { Capability } from '@writ/ledger/domain';
