import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Json, LedgerEvent } from '@writ/ledger/domain';
import { openPostgres, writeAllTenants } from '@writ/platform';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Policy0001 } from '../migrations/0001-policy.js';
import { Policy0002 } from '../migrations/0002-approval-inbox.js';
import { policySetView, PolicySetQueries } from '../policy-set/policy-set.view.js';
import { ApprovalQueries, approvalView } from './approval.view.js';

let backends: Backends;
let dataSource: DataSource;
beforeAll(async () => {
  backends = await startBackends();
  const migrations = [Policy0001, Policy0002];
  dataSource = await openPostgres({ url: backends.postgresUrl, schema: 'policy', entities: [], migrations });
});
afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
});

const position = { service: 'policy', partition: 0, commit: 1, index: 0 } as const;
const event = (type: string, subject: string, data: Json): LedgerEvent => ({
  specversion: '1.0', id: 'evt_1', type, source: 'policy/00', subject, data, tenant: 'tnt_1', cause: 'cmd_1',
  time: '2026-01-01T00:00:00.000Z', actor: { principal: 'psn_1', kind: 'person' },
}); // prettier-ignore

test('what PostgreSQL cannot hold stops nothing', async () => {
  verifies('platform.storable');
  const bad = 'a\u0000\ud800';
  const asked = {
    kind: 'question',
    title: bad,
    detail: { [bad]: bad },
    agent: 'agt_1',
    run: 'run_1',
    approvers: [bad],
  };
  const decided = { verdict: 'approve', by: 'psn_1', reason: bad, value: [bad] };
  await dataSource.transaction(async (manager) => {
    await writeAllTenants(manager);
    const expires = '2026-01-02T00:00:00.000Z';
    await approvalView.apply(
      [
        event('approval.requested.v1', 'apr_1', { ...asked, expires }),
        event('approval.decided.v1', 'apr_1', decided),
      ].map((each) => ({ event: each, position })),
      manager,
    );
    const pushed = { version: 'v1', files: [{ name: bad, text: bad }], policies: 1 };
    await policySetView.apply([{ event: event('policy_set.pushed.v1', 'tnt_1', pushed), position }], manager);
  });
  expect(await new ApprovalQueries(dataSource).find('tnt_1', 'apr_1')).toMatchObject({
    title: 'a\ufffd\ufffd',
    reason: 'a\ufffd\ufffd',
    approvers: ['a\ufffd\ufffd'],
  });
  expect(await new PolicySetQueries(dataSource).files('tnt_1', 'v1')).toHaveLength(1);
});
