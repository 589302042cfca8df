import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PartitionModel } from '../domain/aggregates.js';
import type { Json } from '../domain/events.js';
import { capture, encodeSnapshot, restoreSnapshot } from './snapshot-format.js';
import { PartitionState } from './state.js';

/** A model that is nothing but its snapshot. */
class Holder implements PartitionModel {
  readonly version: number;
  value: Json;

  constructor(value: Json, version = 1) {
    this.value = value;
    this.version = version;
  }
  decide = () => [];
  evolve = () => undefined;
  snapshot = (): Json => this.value;
  restore(value: Json): void {
    this.value = value;
  }
}

const at = { commit: 7, hash: 'ab', epoch: 3 };
const encode = async (value: Json): Promise<Uint8Array> => {
  const state = new PartitionState(new Holder(value));
  state.events = 99;
  state.timeMs = 1234;
  const chunks: Uint8Array[] = [];
  for await (const chunk of encodeSnapshot(capture(state, at))) chunks.push(chunk);
  return Buffer.concat(chunks);
};

describe('a snapshot', () => {
  test('gives back any state, position and clock', async () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        const normal = JSON.parse(JSON.stringify(value)) as Json;
        const state = new PartitionState(new Holder(null));
        await restoreSnapshot(await encode(normal), state);
        expect(state.model.snapshot()).toEqual(normal);
        expect(state).toMatchObject({ commit: 7, hash: 'ab', epoch: 3, events: 99, timeMs: 1234 });
      }),
      { numRuns: 200 },
    );
  });

  test('of many rows is cut into lines and put together again', async () => {
    const rows = Array.from({ length: 12_345 }, (_, i) => [`key_${i}`, { n: i, text: 'ü\n"' }, 0] as Json[]);
    const model = { things: rows, none: [], version: 3 };
    const bytes = await encode(model);
    const state = new PartitionState(new Holder(null));
    await restoreSnapshot(bytes, state);
    expect(state.model.snapshot()).toEqual(model);
  });

  test('of another version, or cut off before its end of line, is refused', async () => {
    const bytes = await encode({ a: [1] });
    const restore = (from: Uint8Array, version: number) =>
      restoreSnapshot(from, new PartitionState(new Holder(null, version)));
    await expect(restore(bytes, 2)).rejects.toThrow(/model 1/);
    await expect(restore(bytes.subarray(0, 10), 1)).rejects.toThrow(/no header/);
  });
});
