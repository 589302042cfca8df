import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';
import { plain } from '../output/text.js';

/** A result that is nothing but the handle of stored bytes has this form, and is short. */
const handle = /^\{"\$stored":\{"hash":"(sha256:[0-9a-f]{64})","sizeBytes":\d+\}\}$/;
const longestHandle = 200;

/** Writes the result of a run to stdout, whatever its size: bytes that a step gave as a stream as they are, everything else as the JSON that is recorded. */
export async function result(call: Call, id: string, stored: string | undefined): Promise<void> {
  if (stored !== undefined) return bytes(call, id, stored);
  let begun = false;
  for await (const chunk of pieces(call, { id })) {
    const [, hash] = (!begun && chunk.length <= longestHandle && handle.exec(chunk.toString())) || [];
    if (hash !== undefined) return bytes(call, id, hash);
    begun = true;
    await call.out.bytes(process.stdout.isTTY ? Buffer.from(plain(chunk.toString())) : chunk);
  }
}

/** What a step wrote may be anything: a terminal would obey it. */
async function bytes(call: Call, id: string, stored: string): Promise<void> {
  if (process.stdout.isTTY)
    throw new Refused('cli.usage', 'these are bytes that a step gave: send them to a file or a program', {
      hint: `writ run result ${id} > file`,
    });
  for await (const chunk of pieces(call, { id, stored })) await call.out.bytes(chunk);
}

async function* pieces(call: Call, request: { id: string; stored?: string }): AsyncGenerator<Buffer> {
  const api = await call.api();
  for await (const { value } of api.stream(routes.readRunResult, request)) yield Buffer.from(value.chunk, 'base64');
}
