import { Refused, type Problem } from '../failure/refused.js';

/** One answer of a stream, and the cursor behind it. */
export interface Frame<T> {
  readonly value: T;
  readonly cursor?: string;
}

/** No heartbeat for three times its distance: whoever was there is gone. */
const silenceMs = 45_000;

/**
 * The answers of a stream over HTTP (WHATWG HTML, section 9.2). `event: end` ends it, `event: error` carries a problem.
 *
 * @param lost makes the error for a stream that broke off, or fell silent
 * @throws Refused
 */
export async function* serverSentEvents<T>(
  body: ReadableStream<Uint8Array>,
  lost: () => Refused,
): AsyncGenerator<Frame<T>, void, undefined> {
  let event = '';
  let id: string | undefined;
  let data: string[] = [];
  for await (const line of linesOf(body, lost)) {
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') event = value;
    else if (field === 'id') id = value;
    else if (field === 'data') data.push(value);
    if (line !== '' || data.length === 0) continue;
    const json: unknown = JSON.parse(data.join('\n'));
    if (event === 'end') return;
    if (event === 'error') throw Refused.by(json as Problem);
    yield { value: json as T, ...(id !== undefined && { cursor: id }) };
    event = '';
    data = [];
  }
  throw lost();
}

async function* linesOf(body: ReadableStream<Uint8Array>, lost: () => Refused): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await read(reader, lost);
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, lost: () => Refused) {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(lost()), silenceMs);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (error) {
    throw (error as Error).name === 'TypeError' ? lost() : error; // undici: "terminated"
  } finally {
    clearTimeout(timer);
  }
}
