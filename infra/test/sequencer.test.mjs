import { expect, test } from '@jest/globals';
import Sequencer from './sequencer.mjs';

const context = { config: { cache: false }, hasteFS: { getSize: () => 1 } };
const paths = ['/w/libs/pure.test.ts', '/w/e2e/stories/story.e2e.test.ts', '/w/libs/servers.int.test.ts'];

/** @param seen what files took before, by the names that their paths end with */
function inOrder(seen = {}) {
  const sequencer = new Sequencer({});
  sequencer.time = ({ path }) => seen[path.split('/').at(-1).split('.')[0]];
  const sorted = sequencer.sort(paths.map((path) => ({ path, context })));
  return sorted.map(({ path }) => path.split('/').at(-1).split('.')[0]);
}

test('files that nobody has seen run go by their kind: stories, what has servers, the rest', () => {
  expect(inOrder()).toEqual(['story', 'servers', 'pure']);
});

test('what a file took last goes before what its kind takes', () => {
  expect(inOrder({ pure: 40_000, servers: 100 })).toEqual(['pure', 'story', 'servers']);
});
