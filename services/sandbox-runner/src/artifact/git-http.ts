import { failureOf, problemOf, requestIdOf } from '@writ/api';
import { DomainError, refuse } from '@writ/ledger/domain';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Runner } from '../runner.js';
import { Git } from '../git/git.js';
import { readCgiHead, type CgiHead } from './cgi.js';

const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
const CLONE_TIMEOUT_MS = 30 * 60_000;

/**
 * Git's smart HTTP protocol at `/git/<artifact>.git`, by `git http-backend`, for reading. The token is a Bearer token or
 * the password of Basic authentication, as Git asks for it.
 */
export async function mountGit(fastify: FastifyInstance, runnerOf: () => Runner | undefined): Promise<void> {
  await fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload)); // goes on to Git as it comes
    scope.setErrorHandler((error, request, reply) => refuseGit(error, request, reply));
    const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const runner = runnerOf();
      if (runner === undefined) throw refuse('ledger.unavailable', 'the service is starting');
      await answer(runner, request, reply);
      return reply;
    };
    scope.get('/git/:artifact/info/refs', serve);
    scope.post('/git/:artifact/:service', serve);
  });
}

/** Problem details as everywhere, with the challenge that makes Git ask for a password. */
function refuseGit(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const failure = failureOf(error);
  const requestId = requestIdOf(headersOf(request));
  if (failure.status === 401) reply.header('www-authenticate', 'Basic realm="writ", charset="UTF-8"');
  reply.status(failure.status).header('x-request-id', requestId).type('application/problem+json');
  reply.send(JSON.stringify(problemOf(failure, requestId)));
}

async function answer(runner: Runner, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { tenant } = await runner.enforcement.authenticator.authenticate(headersOf(request), {
    name: 'writ.sandbox.v1.Git.Fetch',
    requires: 'artifact.read',
    public: false,
  });
  const { artifact, service: posted } = request.params as { artifact: string; service?: string };
  const query = request.url.split('?')[1] ?? '';
  const service = posted ?? new URLSearchParams(query).get('service');
  if (service !== 'git-upload-pack')
    throw refuse(
      'artifact.read_only',
      'artifacts are cloned and fetched by the smart protocol; they cannot be pushed to',
    );
  const { id } = await runner.artifacts.find(tenant, artifact.replace(/\.git$/, ''));
  const repository = runner.artifacts.path(tenant, id);
  await run(runner.git, request, reply, {
    repository,
    query,
    path: posted === undefined ? '/info/refs' : `/${posted}`,
  });
}

/** Hands the request to Git, which runs in a group of its own, and its answer on. @throws DomainError before that began */
async function run(
  git: Git,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: { repository: string; query: string; path: string },
): Promise<void> {
  const child = git.spawn(['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...git.env, ...cgiVariables(request, asked) },
  });
  const kill = (): void => Git.kill(child);
  const timer = setTimeout(kill, CLONE_TIMEOUT_MS);
  const { raw } = reply;
  raw.once('close', kill);
  child.once('close', () => clearTimeout(timer));
  const head = await Promise.race([headOf(child.stdout as Readable), bodyTo(child.stdin as Writable, request)]).catch(
    (error: unknown) => {
      kill();
      throw error;
    },
  );
  if (head.status >= 400) {
    kill();
    throw refuse('artifact.git_refused', `Git does not take this request (${head.status})`, { status: head.status });
  }
  reply.hijack();
  raw.writeHead(head.status, Object.fromEntries(head.headers));
  raw.write(head.rest);
  await pipeline(child.stdout as Readable, raw).catch(kill); // whoever left hears no more
}

/** What Git says first. @throws DomainError where it ends before */
async function headOf(output: Readable): Promise<CgiHead> {
  let received = Buffer.alloc(0);
  for await (const chunk of output.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, chunk]);
    const head = readCgiHead(received);
    if (head !== undefined) return head;
  }
  throw refuse('artifact.git_refused', 'Git ended without an answer');
}

/** Rejects when the body is too large, and never resolves: what counts is what Git says of it. */
async function bodyTo(input: Writable, request: FastifyRequest): Promise<never> {
  let size = 0;
  const tooLarge = (): Error => refuse('request.too_large', `a request to Git has at most ${MAX_REQUEST_BYTES} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) throw tooLarge();
  // The request is not destroyed where Git reads no further: its answer goes over the same connection.
  const body = request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  const bounded = async function* () {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > MAX_REQUEST_BYTES) throw tooLarge();
      yield chunk;
    }
  };
  try {
    if (request.method === 'POST') await pipeline(bounded, input);
    else input.end();
  } catch (error) {
    if (error instanceof DomainError) throw error;
    // Git need not read all that it is sent.
  }
  return new Promise(() => {});
}

/** RFC 3875, section 4.1. */
function cgiVariables(
  request: FastifyRequest,
  { repository, query, path }: { repository: string; query: string; path: string },
): Record<string, string> {
  const header = (name: string): string => String(request.headers[name] ?? '');
  return {
    GIT_PROJECT_ROOT: repository,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: path,
    PATH_TRANSLATED: repository + path,
    REQUEST_METHOD: request.method,
    QUERY_STRING: query,
    CONTENT_TYPE: header('content-type'),
    CONTENT_LENGTH: header('content-length'),
    HTTP_CONTENT_ENCODING: header('content-encoding'),
    GIT_PROTOCOL: /^version=[0-9]$/.test(header('git-protocol')) ? header('git-protocol') : '',
    REMOTE_ADDR: '127.0.0.1',
  };
}

/** Basic authentication carries the token as its password; the name is anything. */
function headersOf(request: FastifyRequest): { get(name: string): string | undefined } {
  return {
    get(name) {
      const value = request.headers[name];
      const text = Array.isArray(value) ? value[0] : value;
      const basic = name === 'authorization' ? /^basic +(\S+)$/i.exec(text ?? '')?.[1] : undefined;
      if (basic === undefined) return text;
      const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(basic, 'base64').toString()) ?? [];
      return `Bearer ${password}`;
    },
  };
}
