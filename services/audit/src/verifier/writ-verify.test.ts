import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { noteKey, signCheckpoint } from '../checkpoint/note.js';
import { verifyOffline } from '../testing/verify-offline.js';
import { leafHash } from '../tree/hashing.js';
import { MemoryTileStore } from '../tree/tile-store.js';
import { TileTree } from '../tree/tile-tree.js';

const key = noteKey('writ.example/ledger');
const lines = Array.from({ length: 300 }, (_, index) => JSON.stringify({ id: `evt_${index}`, type: 'run.started.v1' }));

async function bundle() {
  const tree = await TileTree.open(new MemoryTileStore());
  await tree.append(lines.map((line) => leafHash(Buffer.from(line))));
  const events = [];
  for (const index of [0, 1, 255, 256, 299]) {
    const proof = await tree.inclusion(index);
    events.push({
      line: lines[index] as string,
      index,
      proof: proof.map((hash) => Buffer.from(hash).toString('base64')),
    });
  }
  return {
    format: 'writ-bundle/1',
    origin: key.name,
    checkpoint: signCheckpoint(key, tree.size, await tree.root()),
    events,
  };
}

const run = (document: unknown, verifier = key.verifier) => verifyOffline(JSON.stringify(document), verifier);

test('a true bundle verifies', async () => {
  expect(await run(await bundle())).toEqual({
    code: 0,
    out: { verified: true, treeSize: 300, events: 5, problems: [] },
  });
});

test('one flipped byte of one event is named', async () => {
  const document = await bundle();
  const event = document.events[2];
  if (event) event.line = event.line.replace('evt_255', 'evt_254');
  const { code, out } = await run(document);
  expect(code).toBe(10);
  expect(out.problems).toEqual([expect.stringContaining('leaf 255')]);
});

test('a bundle does not verify against another key, a moved leaf or an edited checkpoint', async () => {
  const document = await bundle();
  expect((await run(document, noteKey('writ.example/ledger').verifier)).code).toBe(10);
  expect((await run({ ...document, checkpoint: document.checkpoint.replace('\n300\n', '\n301\n') })).code).toBe(10);
  expect(
    (await run({ ...document, events: document.events.map((event) => ({ ...event, index: event.index + 1 })) })).code,
  ).toBe(10);
});

test('it asks nothing of a Node that an older one does not know, for then it would say nothing and exit with 0', () => {
  const source = readFileSync(path.join(import.meta.dirname, 'writ-verify.mjs'), 'utf8');
  expect(source).not.toMatch(/import\.meta\.(main|dirname|filename)/);
  expect(source.match(/from '(.*)'/g)?.every((each) => each.includes("'node:"))).toBe(true);
});
