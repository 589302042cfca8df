/** What `writ doctor` says of things that no test can break for real on this machine: a server tells that they are so. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startSmallDisk, verifies, whyNoSmallDisk } from '@writ/testkit';
import { emptyFolder, writ } from '../testing/writ.js';

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly found: string;
  readonly fix?: string;
}

const HOUR_MS = 3_600_000;
let replicas: object[] = [];
let skewMs = 0;
let server: Server;
let place: Awaited<ReturnType<typeof emptyFolder>>;

beforeAll(async () => {
  place = await emptyFolder();
  server = createServer((request, response) => {
    response.setHeader('date', new Date(Date.now() + skewMs).toUTCString());
    const beginnings = { issuer: 'http://127.0.0.1:1/oauth', audience: 'urn:writ:api', grpc: '', mcp: '' };
    if (request.url === '/.well-known/writ') response.end(JSON.stringify(beginnings));
    else if (request.url === '/health/services') response.end(JSON.stringify({ services: replicas }));
    else response.writeHead(404).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await place[Symbol.asyncDispose]();
});

async function doctor(...args: string[]) {
  const { port } = server.address() as AddressInfo;
  const env = { WRIT_URL: `http://127.0.0.1:${port}` };
  const { code, out } = await writ(['doctor', '--json', ...args], { cwd: place.folder, env });
  const { checks } = JSON.parse(out) as { checks: Finding[] };
  return { code, of: (name: string) => checks.filter(({ check }) => check === name) };
}

test('clocks that are apart, feeds that are old, views that stand still and services that disagree are each said', async () => {
  verifies('doctor.says', 'doctor.mixed_code');
  const service = (more: object) => ({ service: 'tools', replica: 'rep_1', ready: true, durability: 'fsync', ...more });
  const parked = { name: 'runs', partition: 3, lag: 4, parked: 'event evt_1 cannot be applied' };
  skewMs = HOUR_MS;
  replicas = [
    service({ enforcement: { ok: true, revocationAgeMs: 1_500 } }),
    service({ service: 'scheduler', durability: 'flush', ownership: { ok: false, projections: [parked] } }),
    service({ service: 'memory', ready: false, postgres: { ok: false, error: 'no answer' } }),
    ...['aaaa', 'bbbb'].map((code, i) => service({ service: 'policy', replica: `rep_${i}`, code })),
  ];
  const { code, of } = await doctor();
  expect(code).toBe(10);
  expect(of('clock')).toEqual([expect.objectContaining({ state: 'problem', fix: 'synchronise the clocks (NTP)' })]);
  expect(of('clock')[0]?.found).toMatch(/^3(59|60)\d s apart: tokens are refused$/);
  expect(of('service tools')).toContainEqual(
    expect.objectContaining({ state: 'note', found: expect.stringContaining('revocations 1500 ms ago') }),
  );
  expect(of('service scheduler')).toEqual([
    expect.objectContaining({
      state: 'problem',
      found: expect.stringContaining("'runs' on partition 03 stands still"),
    }),
  ]);
  expect(of('service memory')).toEqual([expect.objectContaining({ state: 'problem', found: 'postgres: no answer' })]);
  expect(of('durability')).toContainEqual(
    expect.objectContaining({ state: 'problem', found: 'the services do not agree: fsync and flush' }),
  );
  expect(of('replicas')).toEqual([
    expect.objectContaining({ found: 'the replicas of policy are not of one version: rep_0 aaaa, rep_1 bbbb' }),
  ]);
});

test('status says it, too, where replicas of a service are not of one version', async () => {
  verifies('doctor.mixed_code');
  const replica = (code: string) => ({ service: 'policy', replica: `rep_${code}`, ready: true, code });
  replicas = [replica('a'), replica('b'), { ...replica('c'), service: 'tools' }];
  const { port } = server.address() as AddressInfo;
  const { out } = await writ(['status'], { cwd: place.folder, env: { WRIT_URL: `http://127.0.0.1:${port}` } });
  expect(out).toContain('the replicas of policy are not of one version: rep_a a, rep_b b\n');
  expect(out).not.toContain('the replicas of tools');
});

test('of an installation that is well nothing of this is said', async () => {
  skewMs = 0;
  replicas = [{ service: 'tools', replica: 'rep_1', ready: true, durability: 'fsync' }];
  const { of } = await doctor();
  const found = [...of('clock'), ...of('service tools'), ...of('durability')];
  expect(found.map(({ check, state }) => [check, state])).toEqual([
    ['clock', 'ok'],
    ['service tools', 'ok'],
  ]);
});

const whyNot = await whyNoSmallDisk();
(whyNot === undefined ? test : test.skip)(
  `a disk that is nearly full is said${whyNot ? ` (${whyNot})` : ''}`,
  async () => {
    verifies('doctor.says');
    await using disk = await startSmallDisk(16);
    const { code, of } = await doctor('--data', disk.folder);
    expect(code).toBe(10);
    expect(of('disk')).toEqual([
      expect.objectContaining({
        state: 'problem',
        found: expect.stringMatching(/^0\.0 GiB free \(100 %\): commands are refused/),
      }),
    ]);
  },
);
