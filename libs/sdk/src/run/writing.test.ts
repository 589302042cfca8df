import { expect, test } from '@jest/globals';
import { rest } from './rest.js';
import { Writing, type Chunks } from './writing.js';

/** A connection that takes what it is given, and says so when it is told to. */
class Wire {
  readonly sent: Chunks[] = [];
  readonly #unsaid: (() => void)[] = [];
  readonly send = (chunks: Chunks, written: () => void) => void (this.sent.push(chunks), this.#unsaid.push(written));

  write(): void {
    for (const written of this.#unsaid.splice(0)) written();
  }

  /** What a scheduler has that counts: the numbers of chunks it has not, and all others once. */
  get received(): (string | { missed: number })[] {
    const got: (string | { missed: number })[] = [];
    let count = 0;
    for (const { from, chunks } of this.sent) {
      if (from > count) got.push({ missed: from - count });
      const fresh = chunks.slice(Math.max(0, count - from));
      got.push(...fresh.map((chunk) => JSON.parse(Buffer.from(chunk).toString()) as string));
      count = Math.max(count, from + chunks.length);
    }
    return got;
  }
}

const long = 'x'.repeat(60_000);

test('what is written in one turn goes out together, in order', async () => {
  const [writing, wire] = [new Writing(), new Wire()];
  writing.to(wire.send);
  for (const word of ['a', 'b', 'c']) void writing.write(word);
  await rest();
  expect(wire.sent).toHaveLength(1);
  expect(wire.received).toEqual(['a', 'b', 'c']);
});

test('what was written before the end is out before anything that is said after it', () => {
  const [writing, wire] = [new Writing(), new Wire()];
  writing.to(wire.send);
  void writing.write('last');
  writing.end();
  expect(wire.received).toEqual(['last']);
  void writing.write('too late');
  expect(wire.received).toEqual(['last']);
});

test('a step that does not wait is never held up: the oldest goes, and is counted', async () => {
  const [writing, wire] = [new Writing(), new Wire()];
  for (let at = 0; at < 30; at++) void writing.write(`${at}${long}`); // 1.8 MB, and nobody takes it
  writing.to(wire.send);
  writing.end();
  const [missed, ...kept] = wire.received as [{ missed: number }, ...string[]];
  expect(missed.missed + kept.length).toBe(30);
  expect(kept.at(-1)).toBe(`29${long}`);
  expect(kept.join('').length).toBeLessThan(1024 * 1024);
});

test('a step that waits for room loses nothing', async () => {
  const [writing, wire] = [new Writing(), new Wire()];
  writing.to(wire.send);
  let written = 0;
  const all = (async () => {
    for (; written < 30; written++) await writing.write(`${written}${long}`);
  })();
  await rest();
  expect(written).toBeLessThan(15);
  const drain = setInterval(() => wire.write(), 1);
  await all;
  clearInterval(drain);
  writing.end();
  expect(wire.received).toEqual(Array.from({ length: 30 }, (_, at) => `${at}${long}`));
});

test('over a lost connection nothing is lost: what may not have got through goes out again', async () => {
  const [writing, lost, next] = [new Writing(), new Wire(), new Wire()];
  writing.to(lost.send);
  void writing.write('a');
  await rest();
  lost.write();
  void writing.write('b');
  await rest();
  writing.to(undefined);
  void writing.write('c');
  await rest();
  lost.write();
  writing.to(next.send);
  await rest();
  expect(lost.received).toEqual(['a', 'b']);
  expect(next.received).toEqual(['a', 'b', 'c']);
  expect(next.sent.map(({ making }) => making)).toEqual(Array(next.sent.length).fill(lost.sent[0]?.making));
});

test('a chunk that is too large is an error of who writes it', () => {
  expect(() => new Writing().write('x'.repeat(70_000))).toThrow(expect.objectContaining({ code: 'input.invalid' }));
});
