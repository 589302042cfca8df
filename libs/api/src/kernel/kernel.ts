import {
  create,
  createRegistry,
  fromBinary,
  fromJson,
  toBinary,
  type DescMessage,
  type DescService,
  type JsonValue,
  type Message,
  type Registry,
} from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator } from '@bufbuild/protovalidate';
import { DomainError, newId, refuse } from '@writ/ledger/domain';
import { readContract, type MethodContract } from '../contract/contract.js';
import { failureOf, invalid, type Failure } from '../errors/failure.js';
import { anonymous, type Authenticator, type Caller, type Headers } from './caller.js';
import type { ServiceImplementation } from './implementation.js';
import { unfitValue } from './unfit-values.js';
import { traceOnly, traceparentOf, type CallObserver } from './trace.js';

/** The part of a pino logger that the API layer uses. */
export interface ApiLog {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  /** Each call, by method, outcome and who called; never with what was said. */
  debug?(fields: object, message: string): void;
}

/** A method and who serves it. */
export interface Served {
  readonly contract: MethodContract;
  /** Calls the implementation; the shape of arguments and result follows `contract.desc.methodKind`. */
  readonly handle: (input: unknown, caller: Caller) => unknown;
}

/** A call that was let in. */
export interface Admitted {
  readonly caller: Caller;
  /** Tells the observer how it ended, once. */
  finish(failure?: Failure): void;
}

export interface KernelOptions {
  authenticator: Authenticator;
  log?: ApiLog;
  observer?: CallObserver;
}

type Validator = ReturnType<typeof createValidator>;

/** A call that took no longer than this is answered without another look: so long a revocation may take to be known. */
const BRIEF_MS = 100;

/**
 * Messages and free JSON may nest about 35 deep. Whatever of it goes into an event comes back inside a few more levels, and
 * every protobuf library reads 100 at most: without this limit one caller's value would end the streams of all who watch.
 * Over gRPC one level of JSON is two messages.
 */
const nesting = { json: 40, binary: 80 };

/** U+0000, and the last byte of a number that is infinite or none, with either sign. */
const suspect = [0x00, 0x7f, 0xff];

/**
 * What every transport asks, in this order: admit (authenticate, capability) → decode → validate → dispatch. Nothing of a
 * request's body is looked at before its caller was admitted.
 */
export class Kernel {
  private readonly methods = new Map<string, Served>();
  private readonly registered: DescService[] = [];
  private readonly authenticator: Authenticator;
  private readonly observer: CallObserver;
  private readonly log: ApiLog | undefined;
  private readonly drain = new AbortController();
  private validator: Validator = createValidator();
  private types: Registry = createRegistry();

  constructor(options: KernelOptions) {
    this.authenticator = options.authenticator;
    this.observer = options.observer ?? traceOnly;
    this.log = options.log;
  }

  /** Adds a service. @param open see {@link readContract}. @throws Error when a method has no rule who may call it. */
  register<S extends DescService>(service: S, implementation: ServiceImplementation<S>, open = false): void {
    const handlers = implementation as Record<string, unknown>;
    for (const contract of readContract(service, open)) {
      const handler = handlers[contract.desc.localName];
      if (typeof handler !== 'function')
        throw new Error(`nobody serves ${contract.name}: a method ${contract.desc.localName} is missing`);
      if (this.methods.has(contract.path)) throw new Error(`${contract.name} is served twice`);
      this.methods.set(contract.path, { contract, handle: handler.bind(implementation) as Served['handle'] });
    }
    this.registered.push(service);
    this.types = createRegistry(...this.registered.map((each) => each.file));
    this.validator = createValidator({ registry: this.types });
  }

  get services(): readonly DescService[] {
    return this.registered;
  }

  get served(): Iterable<Served> {
    return this.methods.values();
  }

  /** Types for `google.protobuf.Any` in JSON. */
  get registry(): Registry {
    return this.types;
  }

  /**
   * Compiles the rules of every request now: the first validation in a process takes about 50 ms, and a rule that does
   * not compile must stop the start, not a request.
   */
  warm(): void {
    for (const { contract } of this.methods.values()) {
      const result = this.validator.validate(contract.desc.input, create(contract.desc.input));
      if (result.kind === 'error')
        throw new Error(`${contract.name}: its rules do not compile`, { cause: result.error });
    }
  }

  /** From now on new calls are refused with `service.draining`, and streams are told to end. */
  startDraining(): void {
    this.drain.abort(refuse('service.draining', 'this process is shutting down; call again'));
  }

  /** Aborted when draining begins; its reason is the refusal `service.draining`. */
  get draining(): AbortSignal {
    return this.drain.signal;
  }

  /**
   * Lets a call in or refuses it, for gRPC and REST alike. `requestId` is known even when it throws: see {@link requestIdOf}.
   * @throws DomainError `auth.*`, `service.draining`
   */
  async admit(
    served: Served,
    headers: Headers,
    requestId: string,
    transport: 'grpc' | 'http',
    signal: AbortSignal,
  ): Promise<Admitted> {
    const { contract } = served;
    const traceparent = traceparentOf(headers.get('traceparent'));
    const observed = this.observer.begin({ method: contract.name, transport, ...(traceparent && { traceparent }) });
    let who: object = { trace: observed.trace };
    const finish = finishOnce((code) => {
      observed.end(code);
      this.log?.debug?.({ method: contract.name, transport, code, requestId, ...who }, 'a call was answered');
    });
    try {
      if (this.drain.signal.aborted) throw this.drain.signal.reason;
      const identity = contract.public ? anonymous : await this.authenticator.authenticate(headers, contract);
      const caller = { ...identity, requestId, trace: observed.trace, signal, headers };
      if (!contract.public) who = whoOf(caller);
      return { caller, finish };
    } catch (error) {
      finish(failureOf(error));
      throw error;
    }
  }

  /**
   * Has a method with one answer served. What took long, as a wait for the end of a run does, is not answered to whoever
   * lost their authority meanwhile; that refusal is recorded like one at the door. A stream looks after itself.
   *
   * @throws DomainError `auth.revoked`, and what the service throws
   */
  async answer({ contract, handle }: Served, input: unknown, caller: Caller): Promise<unknown> {
    const began = performance.now();
    const answer = await handle(input, caller);
    if (!contract.public && performance.now() - began > BRIEF_MS)
      await this.authenticator.authenticate(caller.headers, contract).catch((error: unknown) => {
        if (error instanceof DomainError && error.code === 'auth.revoked') throw error;
      });
    return answer;
  }

  /** @throws DomainError `request.malformed`, `request.invalid` */
  decode(schema: DescMessage, bytes: Uint8Array): Message {
    let message: Message;
    try {
      message = fromBinary(schema, bytes, { recursionLimit: nesting.binary });
    } catch (error) {
      throw new DomainError('request.malformed', `the bytes are no ${schema.typeName}`, {}, { cause: error });
    }
    // Bytes that are no UTF-8 were refused above. U+0000 and numbers that are none have one of these bytes; most requests do not.
    return this.check(
      schema,
      message,
      suspect.some((byte) => bytes.includes(byte)),
    );
  }

  /** Reads the JSON mapping; unknown fields are refused. @throws DomainError `request.malformed`, `request.invalid` */
  decodeJson(schema: DescMessage, json: JsonValue): Message {
    let message: Message;
    try {
      message = fromJson(schema, json, {
        ignoreUnknownFields: false,
        registry: this.types,
        recursionLimit: nesting.json,
      });
    } catch (error) {
      throw new DomainError(
        'request.malformed',
        error instanceof Error ? error.message : 'the JSON does not fit',
        {},
        { cause: error },
      );
    }
    return this.check(schema, message, true);
  }

  private check(schema: DescMessage, message: Message, maybeUnfit: boolean): Message {
    const unfit = maybeUnfit ? unfitValue(schema, message) : undefined;
    if (unfit) throw invalid([unfit]);
    const result = this.validator.validate(schema, message);
    if (result.kind === 'valid') return message;
    if (result.kind === 'error') throw result.error;
    throw invalid(result.violations.map((each) => ({ field: pathToString(each.field), detail: each.message })));
  }

  encode(schema: DescMessage, value: unknown): Buffer {
    const bytes = toBinary(schema, this.complete(schema, value));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Makes a message of the fields that a handler answered with. */
  complete(schema: DescMessage, value: unknown): Message {
    return create(schema, value as Record<string, unknown>);
  }

  /** What to tell the caller about something thrown; a bug is logged here, with the request's id and no payload. */
  failure(error: unknown, served: Served | undefined, requestId: string, caller?: Caller): Failure {
    const failure = failureOf(error);
    if (failure.bug !== undefined)
      this.log?.error(
        { err: failure.bug, method: served?.contract.name, requestId, ...(caller && whoOf(caller)) },
        'a request failed by a bug',
      );
    return failure;
  }
}

function whoOf({ tenant, principal, run, trace }: Caller): object {
  return { tenant, principal, ...(run && { run }), ...(trace && { trace }) };
}

function finishOnce(ended: (code: string) => void): Admitted['finish'] {
  let open = true;
  return (failure) => {
    if (!open) return;
    open = false;
    ended(failure?.code ?? 'ok');
  };
}

/** The caller's own id for the request when it is harmless to log and to send back, else a new one. */
export function requestIdOf(headers: Headers): string {
  const sent = headers.get('x-request-id');
  return sent !== undefined && /^[\w.:-]{1,128}$/.test(sent) ? sent : newId('req');
}
