import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/** A stored message with everything that makes it what it is. */
export interface Message {
  readonly seq: number;
  readonly subject: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

/** What a file of messages came to. */
export interface Written {
  readonly messages: number;
  readonly sha256: string;
}

/** Writes messages as packed NDJSON, one a line, so that a person can read it: `zcat … | jq`. */
export async function writeMessages(file: string, messages: AsyncIterable<Message>): Promise<Written> {
  const digest = createHash('sha256');
  let count = 0;
  const lines = async function* () {
    for await (const message of messages) {
      count++;
      const line = `${encode(message)}\n`;
      digest.update(line);
      yield line;
    }
  };
  await pipeline(lines, createGzip(), createWriteStream(file, { mode: 0o600 }));
  return { messages: count, sha256: digest.digest('hex') };
}

/** @throws Error where the file is cut off, no such file, or is not `expected` */
export async function* readMessages(file: string, expected: Written): AsyncGenerator<Message> {
  const digest = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk);
      done(null, chunk);
    },
  });
  let count = 0;
  const unpacked = pipeline(createReadStream(file), createGunzip(), hashing);
  unpacked.catch(() => hashing.destroy()); // it is told below
  for await (const line of createInterface({ input: hashing })) {
    count++;
    yield decode(line);
  }
  await unpacked;
  if (count !== expected.messages || digest.digest('hex') !== expected.sha256)
    throw new Error(`it holds other messages than were written (${count}, and ${expected.messages} are expected)`);
}

function encode({ seq, subject, headers, body }: Message): string {
  const text = Buffer.from(body).toString('utf8');
  const exact = Buffer.from(text).equals(body); // what is no UTF-8 would not come back
  return JSON.stringify({
    seq,
    subject,
    headers,
    ...(exact ? { text } : { base64: Buffer.from(body).toString('base64') }),
  });
}

function decode(line: string): Message {
  const { text, base64, ...rest } = JSON.parse(line) as Omit<Message, 'body'> & { text?: string; base64?: string };
  return { ...rest, body: text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text) };
}
