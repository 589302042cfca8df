import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { maxValueBytes, Values } from './value-store.js';

/** Takes what comes, as a store does, and says how much that was. */
const drain = {
  taken: 0,
  async put(content: Uint8Array | ReadableStream<Uint8Array>) {
    for await (const chunk of content as ReadableStream<Uint8Array>) drain.taken += chunk.length;
    return { hash: 'sha256:00' as const, size: drain.taken };
  },
  stream: () => Promise.reject(new Error('nothing is read here')),
};

test('1 GiB is stored as it comes, and one byte more is refused', async () => {
  verifies('run.value_limit');
  const chunk = new Uint8Array(16 * 1024 * 1024);
  const most = async function* () {
    for (let at = 0; at < maxValueBytes; at += chunk.length) yield chunk;
  };
  const more = async function* () {
    yield* most();
    yield new Uint8Array(1);
  };
  const values = new Values(drain);
  expect(await values.put('t', most())).toMatchObject({ sizeBytes: maxValueBytes });
  await expect(values.put('t', more())).rejects.toMatchObject({ code: 'run.value_too_large' });
});
