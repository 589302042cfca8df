import type { ServerResponse } from 'node:http';
import type { JsonValue } from '@bufbuild/protobuf';
import type { Failure } from '../errors/failure.js';
import { problemOf } from '../errors/problem.js';
import { abortable } from '../kernel/abortable.js';
import type { AnswerWriter } from './answer.js';

/** How a server stream is written over HTTP. */
export interface StreamFormat {
  contentType: string;
  frame(json: JsonValue, cursor: string | undefined): string;
  error(problem: object): string;
  end: string;
  heartbeat: string;
}

/** One JSON value a line; an error is a last line `{"error": …}`. */
export const ndjson: StreamFormat = {
  contentType: 'application/x-ndjson',
  frame: (json) => `${JSON.stringify(json)}\n`,
  error: (problem) => `${JSON.stringify({ error: problem })}\n`,
  end: '',
  heartbeat: '',
};

/** Server-sent events (WHATWG HTML, section 9.2): `event: end` and `event: error` tell how it ended. */
export const serverSentEvents: StreamFormat = {
  contentType: 'text/event-stream',
  frame: (json, cursor) => `${cursor === undefined ? '' : `id: ${cursor}\n`}data: ${JSON.stringify(json)}\n\n`,
  error: (problem) => `event: error\ndata: ${JSON.stringify(problem)}\n\n`,
  end: 'event: end\ndata: {}\n\n',
  heartbeat: ': heartbeat\n\n',
};

export interface StreamOptions {
  response: ServerResponse;
  format: StreamFormat;
  writer: AnswerWriter;
  signal: AbortSignal;
  requestId: string;
  /** Comment lines keep proxies from closing a silent stream. */
  heartbeatMs: number;
  fail(error: unknown): Failure;
}

/** How long a stream may stay silent before its head is sent anyway; a refusal before that is a plain problem. */
const HEAD_AFTER_MS = 100;

/**
 * Writes a server stream, no faster than the reader takes it.
 * @throws what the source threw before the head was sent, so that it can be answered with a status of its own.
 */
export async function writeStream(
  source: AsyncIterable<unknown>,
  options: StreamOptions,
): Promise<Failure | undefined> {
  const { response, format, writer, signal, requestId } = options;
  const start = () => {
    if (!response.headersSent)
      response.writeHead(200, {
        'content-type': format.contentType,
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-request-id': requestId,
      });
    response.flushHeaders();
  };
  const head = setTimeout(start, HEAD_AFTER_MS);
  const beat = setInterval(() => {
    if (format.heartbeat && response.headersSent && !response.writableNeedDrain) response.write(format.heartbeat);
  }, options.heartbeatMs);
  try {
    for await (const value of abortable(source, signal)) {
      start();
      const json = writer.json(value);
      if (!response.write(format.frame(json, writer.cursor(json)))) await drained(response, signal);
    }
    start();
    response.end(format.end);
    return undefined;
  } catch (error) {
    if (!response.headersSent) throw error;
    const failure = options.fail(error);
    if (!response.writableEnded) response.end(format.error(problemOf(failure, requestId)));
    return failure;
  } finally {
    clearTimeout(head);
    clearInterval(beat);
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      response.off('drain', go);
      reject(signal.reason);
    };
    const go = () => {
      signal.removeEventListener('abort', stop);
      resolve();
    };
    if (signal.aborted) return reject(signal.reason);
    response.once('drain', go);
    signal.addEventListener('abort', stop, { once: true });
  });
}
