import { expect, test } from '@jest/globals';
import { collect, IdleMemory } from './idle-memory.js';

const mib = (count: number) => count * 1024 * 1024;
const rest = { busy: 0.01, rssBytes: mib(100), heapBytes: mib(60) };
const afterBurst = { ...rest, rssBytes: mib(200) };

/** What it says to looks one after the other. */
const given = (...looks: (typeof rest)[]) => {
  const memory = new IdleMemory(rest.rssBytes);
  return looks.map((look) => {
    const worthwhile = memory.worthwhile(look);
    if (worthwhile) memory.collected(mib(110));
    return worthwhile;
  });
};

test('memory is given back once, when a process has been idle for some looks after a burst', () => {
  const working = { ...afterBurst, busy: 0.5 };
  const looks = [working, afterBurst, working, afterBurst, afterBurst, afterBurst, rest, rest, rest, rest];
  expect(
    given(...looks)
      .map((yes, at) => (yes ? at : -1))
      .filter((at) => at >= 0),
  ).toEqual([5]);
});

test.each([
  ['which has not grown', rest],
  [
    'whose heap is so large that it would stand still for long',
    { ...afterBurst, rssBytes: mib(900), heapBytes: mib(700) },
  ],
])('an idle process %s is left alone', (_, look) => {
  expect(given(look, look, look, look)).not.toContain(true);
});

test('a collection takes what nobody holds any more', async () => {
  const reference = new WeakRef({});
  await new Promise(setImmediate); // until the end of this turn it is held
  collect();
  expect(reference.deref()).toBeUndefined();
});
