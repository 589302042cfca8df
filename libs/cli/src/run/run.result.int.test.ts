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
const frames = (...texts: string[]) => texts.map((text) => ({ data: { chunk: Buffer.from(text).toString('base64') } }));
const film = `sha256:${'0f'.repeat(32)}`;

test('the result of a run comes as it is recorded, and stored bytes as the bytes that they are', async () => {
  verifies('cli.run_result');
  const route = 'GET /v1/runs/run_1:readResult';
  server.events(route, () => ({ frames: frames('{"pages":', '2}'), then: 'end' }));
  expect(await run('run', 'result', 'run_1')).toEqual({ code: 0, out: '{"pages":2}', err: '' });
  server.events(route, ({ query }) => {
    const asked = query.get('stored');
    const handle = JSON.stringify({ $stored: { hash: film, sizeBytes: 9 } });
    return { frames: asked === film ? frames('all ', 'of it') : frames(handle), then: 'end' };
  });
  expect((await run('run', 'result', 'run_1')).out).toBe('all of it');
  expect((await run('run', 'result', 'run_1', '--stored', film)).out).toBe('all of it');
  server.problem(route, 404, 'run.value_not_found');
  expect(await run('run', 'result', 'run_1')).toMatchObject({ code: 3, out: '' });
  server.events(route, () => ({ frames: frames('{"pages":'), then: 'break' }));
  expect((await run('run', 'result', 'run_1')).code).toBe(7);
});
