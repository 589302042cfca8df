import type { IncomingMessage } from 'node:http';
import { Readable as Bytes } from 'node:stream';
import {
  failureOf,
  frameworkFailure,
  headersOf,
  requestIdOf,
  sendProblem,
  type Authenticator,
  type Caller,
} from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import { always, readReading, StreamReader, StreamRefusal, type StreamAnswer, type StreamRequest } from '@writ/streams';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { authorityOf } from '../api/authority.js';
import { may } from '../api/may.js';
import type { Scheduler } from '../scheduler.js';
import { RunReadable } from './run-readable.js';
import { streamErrorOf } from './stream.errors.js';

/** Where streams are. */
export const streamPath = '/v1/stream/';
const ofRuns = /^runs\/([^/]+)$/;
/** Of one append; it is one record. */
const mostBytes = 1024 * 1024;

export interface StreamRoutes {
  readonly scheduler: Scheduler;
  readonly authenticator: Authenticator;
}

/**
 * The Durable Streams protocol at `/v1/stream/<name>`, for streams that are made by who may `stream.write` them, and, for reading, the streams of runs at
 * `/v1/stream/runs/<id>` for who may `run.read` them.
 */
export async function mountStreams(fastify: FastifyInstance, routes: () => StreamRoutes): Promise<void> {
  await fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.setErrorHandler((error, request, reply) => refuseStream(error, request, reply));
    scope.addHook('onRequest', async (_request, reply) => void reply.headers(always));
    scope.route({
      method: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
      url: `${streamPath}*`,
      bodyLimit: mostBytes,
      exposeHeadRoute: false,
      handler: (request, reply) => serve(routes(), request, reply),
    });
  });
}

async function serve(
  { scheduler, authenticator }: StreamRoutes,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const asked = requestOf(request);
  const run = ofRuns.exec(asked.name)?.[1];
  const requires = run !== undefined ? 'run.read' : reads(asked) ? 'stream.read' : 'stream.write';
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const headers = headersOf(request.raw);
  const method = { name: `writ.stream.v1.DurableStreams.${asked.method}`, requires, public: false };
  const identity = await authenticator.authenticate(headers, method);
  const caller: Caller = { ...identity, requestId: requestIdOf(headers), signal: gone.signal, headers };
  may(caller, requires, run ?? asked.name);
  const authority = await authorityOf(scheduler.enforcement, caller);
  try {
    const answer = await (run === undefined
      ? scheduler.streams.answer(caller.tenant, asked, authority.signal)
      : readRun(scheduler, { caller, run, asked }, authority.signal));
    return await send(answer, reply);
  } finally {
    if (reply.raw.writableEnded) authority[Symbol.dispose]();
    else reply.raw.once('close', () => authority[Symbol.dispose]());
  }
}

async function readRun(
  scheduler: Scheduler,
  { caller, run, asked }: { caller: Caller; run: string; asked: StreamRequest },
  signal: AbortSignal,
): Promise<StreamAnswer> {
  if (!reads(asked))
    throw new StreamRefusal(405, `${asked.name} is written by the steps of the run`, { allow: 'GET, HEAD' });
  const stream = new RunReadable(scheduler, caller.tenant, run);
  const head = await stream.head(signal);
  const subject = scheduler.deltas.subject(caller.tenant, run);
  const answer = await new StreamReader(stream).read(
    { subject, head, reading: readReading(asked), request: asked },
    signal,
  );
  return asked.method === 'HEAD' ? { ...answer, headers: { ...answer.headers, 'cache-control': 'no-store' } } : answer;
}

const reads = ({ method }: StreamRequest): boolean => method === 'GET' || method === 'HEAD';

function requestOf(request: FastifyRequest): StreamRequest {
  const { pathname, searchParams: query } = new URL(request.raw.url ?? '', 'http://stream');
  return {
    method: request.method as StreamRequest['method'],
    name: nameOf(pathname),
    query,
    header: (name) => headerOf(request.raw, name),
    body: request.body instanceof Uint8Array ? request.body : new Uint8Array(),
  };
}

/** @throws DomainError `stream.bad_request` */
function nameOf(pathname: string): string {
  let name;
  try {
    name = decodeURIComponent(pathname.slice(streamPath.length));
  } catch {
    throw refuse('stream.bad_request', 'the name of the stream is not well encoded');
  }
  if (name === '' || name.length > 500)
    throw refuse('stream.bad_request', 'the name of a stream has 1 to 500 characters');
  return name;
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

async function send({ status, headers, body }: StreamAnswer, reply: FastifyReply): Promise<FastifyReply> {
  reply.status(status).headers(headers);
  // Clients of the protocol take it for a whole URL.
  const { location } = headers;
  if (location !== undefined) reply.header('location', new URL(location, `http://${reply.request.host}`).href);
  if (body === undefined || reply.request.method === 'HEAD') return reply.send();
  return reply.send(body instanceof Uint8Array ? Buffer.from(body) : Bytes.from(body));
}

/** Problem details as everywhere, with the headers that the protocol has for a refusal. */
function refuseStream(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const said = error instanceof StreamRefusal ? refuse(streamErrorOf(error.status), error.message) : error;
  if (error instanceof StreamRefusal) reply.headers(error.headers);
  sendProblem(reply, frameworkFailure(said) ?? failureOf(said), requestIdOf(headersOf(request.raw)));
}

/** Streams that are kept until they are deleted, or their time is over. */
export const keptSpace = (mib: number) =>
  ({ name: 'STREAMS', subject: 'streams', maxAgeMs: 0, maxBytes: mib * 1024 ** 2, full: 'refuse' }) as const;
