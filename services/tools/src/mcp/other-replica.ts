import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { refuse } from '@writ/ledger/domain';
import type { Announcement, Replicas } from '@writ/platform';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Says that another replica has sent it on: it goes no further. */
const FORWARDED = 'writ-forwarded';

/** A session lives in one replica, which its id names; its requests may come to any. @returns the one, if it is up and not this */
export function elsewhere(
  session: string | string[] | undefined,
  { replicas, replica }: { replicas: Pick<Replicas, 'up'>; replica: string },
): Announcement | undefined {
  if (typeof session !== 'string' || session.startsWith(`${replica}.`)) return undefined;
  return replicas.up('tools').find((each) => session.startsWith(`${each.replica}.`));
}

export function isForwarded({ headers }: FastifyRequest): boolean {
  return headers[FORWARDED] !== undefined;
}

/** Sends a request of a session on to the replica that has it, token and all: there it is authenticated again. */
export async function sendOn(
  { raw, url, method }: FastifyRequest,
  reply: FastifyReply,
  { httpUrl }: Announcement,
): Promise<FastifyReply> {
  const headers = new Headers({ [FORWARDED]: '1' });
  for (const [name, value] of Object.entries(raw.headers))
    if (typeof value === 'string' && !stays.has(name)) headers.set(name, value);
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const body = method === 'POST' ? { body: Readable.toWeb(raw) as ReadableStream, duplex: 'half' } : {};
  let answer: Response;
  try {
    answer = await fetch(`${httpUrl}${url}`, { method, headers, signal: gone.signal, ...body } as RequestInit);
  } catch (cause) {
    if (gone.signal.aborted) return reply;
    throw refuse('service.unavailable', `the replica that has this session cannot be reached`, {
      cause: (cause as Error).message,
    });
  }
  reply.status(answer.status);
  for (const [name, value] of answer.headers) if (!stays.has(name)) reply.header(name, value);
  if (answer.body === null) return reply.send();
  return reply.send(Readable.fromWeb(answer.body as ReadableStream).on('error', () => undefined));
}

const stays = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive']);
