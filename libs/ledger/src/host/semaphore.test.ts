import { expect, test } from '@jest/globals';
import { Semaphore } from './semaphore.js';

test('so many work at a time, the others in the order in which they came, also after one that failed', async () => {
  const semaphore = new Semaphore(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = [0, 1, 2, 3].map((each) =>
    semaphore.take(() => {
      begun.push(each);
      ends[each] = Promise.withResolvers();
      return ends[each].promise;
    }),
  );
  const settled = async () => new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual([0, 1]);
  ends[1]?.reject(new Error('it failed'));
  await expect(all[1]).rejects.toThrow('it failed');
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.resolve();
  ends[2]?.resolve();
  await settled();
  expect(begun).toEqual([0, 1, 2, 3]);
  ends[3]?.resolve();
  await Promise.all([all[0], all[2], all[3]]);
});
