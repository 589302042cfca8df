import type { IncomingMessage } from 'node:http';

/** Bytes of a request, as the SDK bounds them. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Objects and arrays inside each other. */
export const MAX_DEPTH = 64;

/** What a body is not: with its status and code of JSON-RPC. */
export class BadBody extends Error {
  override readonly name = 'BadBody';
  constructor(
    readonly status: 400 | 413 | 415,
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

const PARSE_ERROR = -32_700;
const INVALID_REQUEST = -32_600;

/** The JSON of a request. @throws BadBody */
export async function bodyOf(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new BadBody(415, INVALID_REQUEST, 'the content type must be application/json');
  return parse(await bytesOf(request));
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    // The rest is read and dropped: a client that still writes would not see the answer.
    if (size <= MAX_BYTES) parts.push(part);
    else parts.length = 0;
    if (size > 4 * MAX_BYTES) request.destroy();
  }
  if (size > MAX_BYTES) throw new BadBody(413, INVALID_REQUEST, `a request has at most ${MAX_BYTES} bytes`);
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws BadBody */
export function parse(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'not valid JSON' : 'not UTF-8';
    throw new BadBody(400, PARSE_ERROR, `the request body is ${why}`);
  }
  checkValue(value, 0);
  return value;
}

/** What the ledger, PostgreSQL or a policy could not hold does not come in. */
function checkValue(value: unknown, depth: number): void {
  if (typeof value === 'string') return checkText(value);
  if (typeof value !== 'object' || value === null) return;
  if (depth === MAX_DEPTH)
    throw new BadBody(400, INVALID_REQUEST, `the request body nests deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) {
    for (const each of value) checkValue(each, depth + 1);
    return;
  }
  for (const name in value) {
    checkText(name);
    if (name === '__proto__') throw new BadBody(400, INVALID_REQUEST, 'no member may be named __proto__');
    checkValue((value as Record<string, unknown>)[name], depth + 1);
  }
}

function checkText(text: string): void {
  if (text.includes('\u0000')) throw new BadBody(400, INVALID_REQUEST, 'the request body holds the character U+0000');
  if (!text.isWellFormed())
    throw new BadBody(400, INVALID_REQUEST, 'the request body holds half a character (a lone surrogate)');
}
