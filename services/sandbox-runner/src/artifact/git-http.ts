import { failureOf, problemOf, requestIdOf } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import { spawn } from 'node:child_process';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Runner } from '../runner.js';
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
    scope.post('/git/:artifact/:service', { bodyLimit: MAX_REQUEST_BYTES }, serve);
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
  await run(runner.git.env, request, reply, {
    repository,
    query,
    path: posted === undefined ? '/info/refs' : `/${posted}`,
  });
}

/** Hands the request to Git, which runs in a group of its own, and its answer on. */
function run(
  env: Readonly<Record<string, string>>,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: { repository: string; query: string; path: string },
): Promise<void> {
  const child = spawn('git', ['http-backend'], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...env, ...cgiVariables(request, asked) },
  });
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  const timer = setTimeout(kill, CLONE_TIMEOUT_MS);
  child.stdin.on('error', () => undefined); // Git need not read all that it is sent
  if (request.method === 'POST') request.raw.pipe(child.stdin);
  else child.stdin.end();
  reply.hijack();
  const { raw } = reply;
  raw.once('close', kill);
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const onHead = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      let head: CgiHead | undefined;
      try {
        head = readCgiHead(received);
      } catch {
        kill();
      }
      if (head === undefined) return;
      child.stdout.off('data', onHead);
      raw.writeHead(head.status, Object.fromEntries(head.headers));
      raw.write(head.rest);
      child.stdout.pipe(raw);
    };
    child.stdout.on('data', onHead);
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      if (!raw.headersSent) raw.writeHead(500);
      raw.end();
      resolve();
    });
  });
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
