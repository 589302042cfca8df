import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { workflow } from '@writ/sdk';
import { testWrit } from '@writ/sdk/testing';
import { verifies } from '@writ/testkit';
import { emptyFolder, writ } from '../testing/writ.js';

const worker = path.join(import.meta.dirname, '../testing/checked-worker.ts');
let place: Awaited<ReturnType<typeof emptyFolder>>;
const folder = () => path.join(place.folder, 'histories');
beforeAll(async () => {
  place = await emptyFolder();
  const review = workflow({
    name: 'review',
    run: async (ctx) => (await ctx.step('load', () => 'loaded'), ctx.step('count', () => 42)),
  });
  const recorded = testWrit({ workflows: [review] });
  await (await recorded.start(review, undefined, { id: 'r1' })).result();
  await mkdir(folder());
  await writeFile(path.join(folder(), 'r1.json'), JSON.stringify(recorded.history('r1')));
});
afterAll(async () => place[Symbol.asyncDispose]());

const check = (code: string, ...args: string[]) =>
  writ(['run', 'check', worker, ...args], { cwd: place.folder, env: { CODE: code } });

test.each(['before', 'patched'])('recorded runs take the same way on the code %s; nobody is called', async (code) => {
  verifies('versions.check');
  const { code: exited, err, out } = await check(code, '--from', folder());
  expect({ exited, out, err }).toEqual({
    exited: 0,
    out: '',
    err: 'serving\n1 of 1 runs take the same way, 0 would diverge\n',
  });
});

test('changed code is found out, with the place as a diff and exit 10', async () => {
  verifies('versions.check');
  const { code, out } = await check('after', '--from', folder());
  expect(code).toBe(10);
  expect(out).toContain("r1  review\n  the record has step 'count' #1 here, the code came to step 'count all' #1\n");
  expect(out).toContain("      step 'load' #1\n    - step 'count' #1\n    + step 'count all' #1\n");
  const json = await check('after', '--from', path.join(folder(), 'r1.json'), '--json');
  expect(JSON.parse(json.out)).toMatchObject({ checked: 1, diverged: [{ run: 'r1', workflow: 'review' }] });
});

test.each([
  [['--from', 'nowhere'], 'nowhere is no history'],
  [['--from', '.'], 'has no histories'],
])('what is no history is refused: %s', async (args, told) => {
  const { code, err } = await check('before', ...args);
  expect([code, err]).toEqual([2, expect.stringContaining(told)]);
});
