import { afterEach, beforeEach, expect, test } from '@jest/globals';
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

test('ramps are set, shown, listed and ended; without a version they are refused', async () => {
  server.json('PUT /v1/ramps/review', { revision: 2, position: 'scheduler/03/7/0' });
  const { err } = await run('ramp', 'set', 'review', '--from', '4', '--to', '5', '--percent', '10');
  expect(server.seen[0]?.body).toEqual({ to: '5', percent: 10, from: '4' });
  expect(err).toContain('gives 10 percent of its new runs to version 5, the others to 4');
  expect((await run('ramp', 'set', 'review', '--percent', '10')).code).toBe(2);
  const ramp = { workflow: 'review', to: '5', percent: 10, from: '4', revision: 2, by: 'psn_1' };
  server.json('GET /v1/ramps/review', { ramp }).json('GET /v1/ramps', { ramps: [ramp], nextPageToken: '' });
  expect((await run('ramp', 'get', 'review')).out).toContain('version 5: 10 percent of its new runs');
  expect((await run('ramp', 'list', '-q')).out).toBe('review\n');
  server.json('DELETE /v1/ramps/review', { position: 'scheduler/03/8/0' });
  expect((await run('ramp', 'end', 'review')).code).toBe(0);
});
