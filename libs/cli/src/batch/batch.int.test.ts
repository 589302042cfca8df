import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakeServer } from '../testing/fake-server.js';
import { emptyFolder, writ } from '../testing/writ.js';

let server: FakeServer;
let place: Awaited<ReturnType<typeof emptyFolder>>;
beforeEach(async () => {
  [server, place] = await Promise.all([FakeServer.start(), emptyFolder()]);
});
afterEach(async () => {
  await Promise.all([server[Symbol.asyncDispose](), place[Symbol.asyncDispose]()]);
});

const run = (...args: string[]) =>
  writ(args, { cwd: place.folder, env: { WRIT_URL: server.url, WRIT_TOKEN: 'a-token' } });

test('what is done to many runs says how many first, and is not done without a yes', async () => {
  verifies('cli.batch');
  const filter = 'workflow = review AND state = waiting';
  server.json('POST /v1/batches', { batch: { id: 'bat_1', expected: '1200' }, sample: ['run_1'] });
  const cancel = (...more: string[]) => run('run', 'cancel', '--filter', filter, '--reason', 'wrong branch', ...more);
  expect(await cancel('--dry-run')).toEqual({ code: 0, out: 'run_1\n', err: 'would cancel 1200 runs\n' });
  expect(await cancel()).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
  expect(server.seen.map(({ body }) => (body as { validateOnly?: boolean }).validateOnly)).toEqual([true, true]);
  expect(await cancel('--yes')).toMatchObject({ code: 0, out: 'bat_1\n' });
  expect(server.seen.at(-1)?.body).toMatchObject({ action: 'cancel', filter, reason: 'wrong branch' });
  expect(await run('run', 'cancel', 'run_1', '--filter', filter, '--reason', 'r')).toMatchObject({ code: 2 });
  expect(await run('run', 'send', 'go', '--filter', filter, '--data', '7', '--yes')).toMatchObject({ code: 0 });
  expect(server.seen.at(-1)?.body).toMatchObject({ action: 'send', message: 'go', jsonData: 7, filter });
}, 60_000);
