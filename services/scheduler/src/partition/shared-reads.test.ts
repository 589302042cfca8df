import { describe, expect, test } from '@jest/globals';
import { sharedReads } from './shared-reads.js';

const body = (size: number) => new Uint8Array(size);

describe('shared reads', () => {
  test('a commit that many ask for is read once, and once more when it is not kept any longer', async () => {
    const read: string[] = [];
    const get = sharedReads(
      async (partition, commit) => {
        read.push(`${partition}.${commit}`);
        return body(6);
      },
      { keptBytes: 10 },
    );
    await Promise.all([get(1, 7), get(1, 7), get(2, 7)]);
    await get(2, 7);
    expect(read).toEqual(['1.7', '2.7']);
    await get(1, 7);
    expect(read).toEqual(['1.7', '2.7', '1.7']);
  });

  test('no more than allowed are under way, and all get theirs', async () => {
    let [underWay, most] = [0, 0];
    const get = sharedReads(
      async (_partition, commit) => {
        most = Math.max(most, ++underWay);
        await new Promise(setImmediate);
        underWay--;
        return body(commit);
      },
      { atOnce: 3 },
    );
    const sizes = Array.from({ length: 20 }, (_, i) => i + 1);
    const got = await Promise.all(sizes.map((commit) => get(0, commit)));
    expect(got.map((each) => each?.bytes)).toEqual(sizes);
    expect({ most, underWay }).toEqual({ most: 3, underWay: 0 });
  });

  test('what failed or was not there is asked for again, and holds up nobody', async () => {
    const answers = [Promise.reject(new Error('away')), Promise.resolve(undefined), Promise.resolve(body(1))];
    answers[0]?.catch(() => {});
    const get = sharedReads(() => answers.shift() as Promise<Uint8Array | undefined>, { atOnce: 1 });
    await expect(get(0, 1)).rejects.toThrow('away');
    await expect(get(0, 1)).resolves.toBeUndefined();
    await expect(get(0, 1)).resolves.toMatchObject({ bytes: 1 });
  });
});
