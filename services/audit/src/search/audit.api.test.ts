import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { anonymous, type Caller } from '@writ/api';
import { ExportBundleRequestSchema, SearchEventsRequestSchema } from '@writ/proto/audit/v1/audit';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import type { Checkpoints } from '../checkpoint/checkpoints.js';
import type { IntegrityChecker } from '../integrity/checker.js';
import { AuditApi } from './audit.api.js';
import type { AuditQueries, LeafRow, Search } from './audit.queries.js';

const deep = JSON.parse(`${'['.repeat(2_000)}${']'.repeat(2_000)}`) as unknown;
const row = (leaf: number, subject: string, run?: string): LeafRow => ({
  leaf, service: 'scheduler', partition: 0, commit: 1, index: leaf,
  line: JSON.stringify({
    specversion: '1.0', id: `evt_${leaf}`, type: 'run.started.v1', source: 'scheduler/00', subject, time: '2026-01-01T00:00:00.000Z',
    data: { deep }, tenant: 'tnt_1', actor: { principal: 'agt_1', kind: 'agent', ...(run && { run }) }, cause: 'cmd_1',
  }),
}); // prettier-ignore

const asked: Search[] = [];
const leaves = {
  search: async (search: Search) => {
    asked.push(search);
    return [row(0, 'run_1')];
  },
  byId: async (_tenant: string, id: string) =>
    ({ evt_0: row(0, 'run_1'), evt_1: row(1, 'act_1', 'run_1'), evt_2: row(2, 'run_2') })[id],
  has: async () => true,
} as Partial<AuditQueries> as AuditQueries;
const api = new AuditApi(leaves, { latest: () => undefined } as unknown as Checkpoints, {} as IntegrityChecker);

const caller = (...resources: string[]): Caller => ({
  ...anonymous,
  tenant: 'tnt_1',
  principal: 'psn_1',
  grant: [{ type: 'writ', actions: ['audit.read'], ...(resources.length > 0 && { resources }) }],
  requestId: 'req_1',
  signal: new AbortController().signal,
  headers: { get: () => undefined },
});
const search = (request: Parameters<typeof create<typeof SearchEventsRequestSchema>>[1], who = caller()) =>
  api.searchEvents(create(SearchEventsRequestSchema, request), who);
const code = (expected: string) => expect.objectContaining({ code: expected });

describe('a grant that names runs', () => {
  const narrow = caller('run_1');

  test('shows what is about them or was recorded for them', async () => {
    verifies('api.resource_of_capability');
    expect((await search({ run: 'run_1' }, narrow)).events).toHaveLength(1);
    expect((await search({ subject: 'run_1' }, narrow)).events).toHaveLength(1);
    expect((await api.getAuditEvent({ id: 'evt_0' } as never, narrow)).event.event.subject).toBe('run_1');
    expect((await api.getAuditEvent({ id: 'evt_1' } as never, narrow)).event.event.subject).toBe('act_1');
  });

  test('shows nothing else', async () => {
    for (const request of [{}, { run: 'run_2' }, { subject: 'run_2' }, { agent: 'agt_1' }, { type: 'run.*' }])
      await expect(search(request, narrow)).rejects.toThrow(code('auth.missing_capability'));
    await expect(api.exportBundle(create(ExportBundleRequestSchema), narrow)).rejects.toThrow(
      code('auth.missing_capability'),
    );
    await expect(api.getAuditEvent({ id: 'evt_2' } as never, narrow)).rejects.toThrow(code('audit.not_found'));
    await expect(api.getInclusionProof({ id: 'evt_2', treeSize: 0n } as never, narrow)).rejects.toThrow(
      code('audit.not_found'),
    );
  });
});

test('an event is shown however deep its data nests', async () => {
  expect((await search({})).events).toHaveLength(1);
});

test('page tokens, positions and times that nobody gave are refused, never an error', async () => {
  verifies('api.strict');
  asked.length = 0;
  await search({ pageToken: '12', fromTime: { seconds: 0n, nanos: 0 } });
  expect(asked[0]).toMatchObject({ after: 12, from: new Date(0) });
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ minLength: 1 }), fc.double().map(String)), async (pageToken) => {
      if (/^\d{1,15}$/.test(pageToken)) return;
      await expect(search({ pageToken })).rejects.toThrow(code('request.invalid'));
    }),
  );
  for (const after of ['x', 'nobody/00/1/0', '__proto__/00/1/0', 'scheduler/16/1/0', 'scheduler/00/1'])
    await expect(search({ after })).rejects.toThrow(code('audit.bad_position'));
  for (const seconds of [9_000_000_000_000_000n, -9_000_000_000_000_000n, 300_000_000_000n])
    await expect(search({ toTime: { seconds, nanos: 0 } })).rejects.toThrow(code('request.invalid'));
});
