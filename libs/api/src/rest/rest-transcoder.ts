import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refuse } from '@writ/ledger/domain';
import type { Failure } from '../errors/failure.js';
import { PROBLEM_TYPE, problemOf } from '../errors/problem.js';
import type { Headers } from '../kernel/caller.js';
import { requestIdOf, type Admitted, type Kernel, type Served } from '../kernel/kernel.js';
import { AnswerWriter } from './answer.js';
import { RequestReader } from './request-reader.js';
import { Router, type Match } from './router.js';
import { ndjson, serverSentEvents, writeStream } from './stream-writer.js';
import { frameworkFailure } from './framework-failure.js';

interface Target {
  served: Served;
  reader: RequestReader;
  writer: AnswerWriter;
}

type Found = Extract<Match<Target>, { kind: 'found' }>;

/** A request between its admission, which happens before its body is read, and its answer. */
interface Started {
  match: Found;
  admitted: Admitted;
  signal: AbortSignal;
}

export interface RestOptions {
  /** Largest body; default 4 MiB. */
  maxBodyBytes?: number;
  /** Default 15 s. */
  heartbeatMs?: number;
}

/**
 * REST out of `google.api.http`: paths, query, bodies by the proto3 JSON mapping, streams as NDJSON or SSE, every error
 * as problem details. Nest's guards, pipes and filters are not asked: the kernel decides, as it does for gRPC.
 */
export class RestTranscoder {
  private readonly router = new Router<Target>();
  private readonly prefixes = new Set<string>();
  private readonly started = new WeakMap<FastifyRequest, Started>();

  constructor(
    private readonly kernel: Kernel,
    private readonly options: RestOptions = {},
  ) {
    for (const served of kernel.served)
      for (const binding of served.contract.bindings) {
        const { desc, name } = served.contract;
        if (desc.methodKind === 'client_streaming' || desc.methodKind === 'bidi_streaming')
          throw new Error(`${name}: a request stream has no HTTP form`);
        const target = {
          served,
          reader: new RequestReader(kernel, served, binding),
          writer: new AnswerWriter(kernel, served, binding),
        };
        this.router.add({ binding, target });
        const first = binding.template.segments[0];
        if (first?.kind !== 'literal') throw new Error(`${name}: a path must begin with a literal`);
        this.prefixes.add(first.text);
      }
  }

  /** Mounts the routes. The scope is encapsulated: Nest's own body parsers and error handler stay out of it. */
  mount(fastify: FastifyInstance): void {
    fastify.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      // As bytes: what they mean is decided after the caller was admitted.
      scope.addContentTypeParser(/^application\/(.+\+)?json\b/, { parseAs: 'buffer' }, (_request, body, done) =>
        done(null, body),
      );
      scope.setErrorHandler((error, request, reply) => this.refuse(error, request, reply));
      for (const prefix of this.prefixes)
        scope.route({
          method: ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'],
          url: `/${prefix}/*`,
          bodyLimit: this.options.maxBodyBytes ?? 4 * 1024 * 1024,
          onRequest: (request, reply) => this.admit(request, reply),
          handler: (request, reply) => this.serve(request, reply),
        });
    });
  }

  /** Before the body is read: finds the method and asks the kernel. */
  private async admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const match = this.find(request);
    const controller = new AbortController();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) controller.abort(refuse('request.cancelled', 'the caller went away'));
    });
    const { served } = match.route.target;
    const streams = served.contract.desc.methodKind !== 'unary';
    const signal = streams ? AbortSignal.any([controller.signal, this.kernel.draining]) : controller.signal;
    const requestId = requestIdOf(headersOf(request.raw));
    const admitted = await this.kernel.admit(served, headersOf(request.raw), requestId, 'http', signal);
    this.started.set(request, { match, admitted, signal });
  }

  private find(request: FastifyRequest): Found {
    const url = request.raw.url as string;
    const end = url.indexOf('?');
    const path = end < 0 ? url : url.slice(0, end);
    let match: Match<Target>;
    try {
      match = this.router.find(request.method, path);
    } catch {
      throw refuse('request.malformed', 'the path is not well encoded');
    }
    if (match.kind === 'found') return match;
    if (match.kind === 'none') throw refuse('request.not_found', `there is nothing at ${request.method} ${path}`);
    throw refuse('request.method_not_allowed', `${path} takes ${match.allowed.join(', ')}`, {
      allow: [...match.allowed],
    });
  }

  private async serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { match, admitted, signal } = this.started.get(request) as Started;
    const { served, reader, writer } = match.route.target;
    const { caller } = admitted;
    const url = request.raw.url as string;
    const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : undefined;
    const message = reader.read(match.values, query, request.body as Buffer | undefined, caller.headers);
    if (served.contract.desc.methodKind === 'unary') {
      const json = writer.json(await this.kernel.answer(served, message, caller));
      admitted.finish();
      await reply.header('x-request-id', caller.requestId).type('application/json').send(JSON.stringify(json));
      return;
    }
    const format = (caller.headers.get('accept') ?? '').includes('text/event-stream') ? serverSentEvents : ndjson;
    const source = served.handle(message, caller) as AsyncIterable<unknown>;
    const failure = await writeStream(source, {
      response: reply.raw,
      format,
      writer,
      signal,
      requestId: caller.requestId,
      heartbeatMs: this.options.heartbeatMs ?? 15_000,
      fail: (error) => this.kernel.failure(error, served, caller.requestId, caller),
    });
    admitted.finish(failure);
    reply.hijack();
  }

  /** Everything thrown above, and what Fastify itself refuses (too large, wrong media type), as problem details. */
  private refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const started = this.started.get(request);
    const requestId = started?.admitted.caller.requestId ?? requestIdOf(headersOf(request.raw));
    const failure =
      frameworkFailure(error) ??
      this.kernel.failure(error, started?.match.route.target.served, requestId, started?.admitted.caller);
    started?.admitted.finish(failure);
    sendProblem(reply, failure, requestId);
  }
}

/** Answers with problem details and the headers that go with the status. */
export function sendProblem(reply: FastifyReply, failure: Failure, requestId: string): void {
  if (failure.status === 401) reply.header('www-authenticate', 'Bearer');
  if (failure.retry) reply.header('retry-after', '1');
  // Fastify would close the connection under a client that is still sending, which then sees a reset and never this answer.
  if (failure.status === 413) reply.removeHeader('connection');
  const { allow } = failure.details;
  if (failure.status === 405 && Array.isArray(allow)) reply.header('allow', allow.join(', '));
  reply.status(failure.status).header('x-request-id', requestId).type(PROBLEM_TYPE);
  reply.send(JSON.stringify(problemOf(failure, requestId)));
}

/** HTTP headers as the kernel reads them. */
export function headersOf(request: IncomingMessage): Headers {
  return {
    get(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
  };
}
