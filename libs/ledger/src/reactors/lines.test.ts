import { expect, test } from '@jest/globals';
import { Lines } from './lines.js';

/** Adds `a1 a2+ a3+ b1`: a letter is a line, with a plus it may go together with its neighbours. */
function linesOf(text: string): Lines<string> {
  const lines = new Lines<string>();
  for (const word of text.split(' ')) lines.add(word[0] as string, word, word.endsWith('+'));
  return lines;
}

/** Does things only when it is told to, one after another. */
function byHand(lines: Lines<string>, atOnce: number) {
  const running: { item: string; end: (well: boolean) => void; fail: (error: Error) => void }[] = [];
  const done = lines.work(atOnce, (item) => new Promise((end, fail) => running.push({ item, end, fail })));
  return {
    done,
    running: () => running.map(({ item }) => item).join(' '),
    async end(item: string, how: boolean | Error = true) {
      const [one] = running.splice(
        running.findIndex((each) => each.item === item),
        1,
      );
      if (how instanceof Error) one?.fail(how);
      else one?.end(how);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('of one line one after another, of different ones at once', async () => {
  const { running, end, done } = byHand(linesOf('a1 a2 b1 b2'), 9);
  expect(running()).toBe('a1 b1');
  await end('a1');
  expect(running()).toBe('b1 a2');
  await end('b1');
  await end('a2');
  await end('b2');
  expect(await done).toBe(true);
});

test('neighbours that may go together are done at once, and what stands behind them waits for all', async () => {
  const { running, end } = byHand(linesOf('a1 a2+ a3+ a4 a5+'), 9);
  expect(running()).toBe('a1');
  await end('a1');
  expect(running()).toBe('a2+ a3+');
  await end('a3+');
  expect(running()).toBe('a2+');
  await end('a2+');
  expect(running()).toBe('a4');
  await end('a4');
  expect(running()).toBe('a5+');
});

test('no more than so many at once', async () => {
  const { running, end } = byHand(linesOf('a1+ a2+ a3+ b1'), 2);
  expect(running()).toBe('a1+ a2+');
  await end('a1+');
  expect(running()).toBe('a2+ a3+');
  await end('a2+');
  expect(running()).toBe('a3+ b1');
});

test('nothing is begun after something that could not be done, and what is under way is waited for', async () => {
  const { running, end, done } = byHand(linesOf('a1 a2 b1'), 9);
  await end('a1', false);
  expect(running()).toBe('b1');
  await end('b1');
  expect(await done).toBe(false);
  expect(running()).toBe('');
});

test('what fails fails the whole; nothing to do is done', async () => {
  const { end, done } = byHand(linesOf('a1 b1'), 9);
  await Promise.all([expect(done).rejects.toThrow('no'), end('b1', new Error('no'))]);
  expect(await new Lines<string>().work(1, () => Promise.resolve(true))).toBe(true);
});
