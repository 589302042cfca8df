import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';

/** A server answers more than anybody reads. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
  constructor(maxBytes: number) {
    super(`it answers more than ${maxBytes} bytes`);
  }
}

type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'> & { readonly body: Readable };

/**
 * An answer as the web has it, read to its end, but for a stream of events, which is handed out as it comes.
 *
 * @param maxBytes of the answer, or of one event of a stream
 * @throws AnswerTooLarge
 */
export async function webAnswer({ statusCode, headers, body }: Answer, maxBytes: number): Promise<Response> {
  const about = { status: statusCode, headers: headersOf(headers) };
  if (about.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    const stream = Readable.toWeb(body) as ReadableStream<Uint8Array>;
    return new Response(stream.pipeThrough(bounded(maxBytes)), about);
  }
  const bytes = await bytesOf(body, maxBytes);
  return new Response(bytes.length === 0 ? null : bytes, about);
}

function headersOf(given: Answer['headers']): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(given))
    for (const value of [values ?? []].flat()) headers.append(name, value);
  return headers;
}

async function bytesOf(body: Readable, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  let size = 0;
  // Leaving the loop ends the connection.
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) throw new AnswerTooLarge(maxBytes);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function bounded(maxBytes: number): TransformStream<Uint8Array, Uint8Array> {
  let since = 0;
  return new TransformStream({
    transform(part, controller) {
      since += part.length;
      if (since > maxBytes) controller.error(new AnswerTooLarge(maxBytes));
      else controller.enqueue(part);
      if (endsEvent(part)) since = 0;
    },
  });
}

const NEWLINE = 0x0a;

/** An empty line ends an event. */
function endsEvent(part: Uint8Array): boolean {
  const last = part.at(-1);
  return last === NEWLINE && (part.at(-2) === NEWLINE || part.at(-3) === NEWLINE);
}
