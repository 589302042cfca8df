import { verifies } from '@writ/testkit';
import { expect, test } from '@jest/globals';
import type { Json } from '@writ/ledger/domain';
import { identityModel } from '../identity.model.js';
import { TestPartition } from '../testing/partition.js';

const revoke = { type: 'revoke', reason: 'compromised' };

test('a revocation says what, why and the how-many-th it is, over all tenants', () => {
  const partition = new TestPartition();
  partition.principal('agt_1', ['*']);
  expect(partition.do('revocation', 'agt_1', revoke)).toEqual([
    { type: 'revocation.issued.v1', data: { subject: 'agt_1', kind: 'agent', reason: 'compromised', epoch: 1 } },
  ]);
  expect(partition.do('revocation', 'run_1', revoke, 'tnt_other')).toMatchObject([{ data: { kind: 'run', epoch: 2 } }]);
  expect(partition.do('revocation', 'tok_1', revoke)).toMatchObject([{ data: { kind: 'token', epoch: 3 } }]);
});

test('a run is revoked by its id, also where somebody chose it', () => {
  verifies('identity.chosen_run_ids');
  const partition = new TestPartition();
  for (const run of ['refund-o1', 'constructor_1', '2026:review.7'])
    expect(partition.do('revocation', run, revoke)).toMatchObject([{ data: { subject: run, kind: 'run' } }]);
  for (const other of ['svc_tools', 'sbx_1', 'a/b', 'system'])
    expect(partition.refused('revocation', other, revoke)).toBe('identity.not_revocable');
});

test('a second revocation of the same changes nothing', () => {
  const partition = new TestPartition();
  partition.do('revocation', 'run_1', revoke);
  expect(partition.do('revocation', 'run_1', revoke)).toEqual([]);
});

test('what is not there, or is of another tenant, or is the operator, cannot be revoked', () => {
  const partition = new TestPartition();
  partition.principal('psn_1', ['*'], 'tnt_other');
  expect(partition.refused('revocation', 'agt_1', revoke)).toBe('identity.subject_not_found');
  expect(partition.refused('revocation', 'psn_1', revoke)).toBe('identity.subject_not_found');
  expect(partition.refused('revocation', 'tnt_other', revoke)).toBe('identity.subject_not_found');
  expect(partition.refused('revocation', 'operator', revoke)).toBe('identity.not_revocable');
});

test('the count survives a snapshot', () => {
  const partition = new TestPartition();
  partition.do('revocation', 'run_1', revoke);
  const restored = identityModel();
  restored.restore(JSON.parse(JSON.stringify(partition.model.snapshot())) as Json);
  const actor = { principal: 'operator', kind: 'operator' } as const;
  const command = {
    id: 'cmd_1',
    tenant: 'tnt_a',
    aggregate: 'revocation',
    actor,
    time: '2026-11-23T10:00:00.000Z',
    command: revoke,
  };
  expect(restored.decide({ ...command, subject: 'run_2' })).toMatchObject([{ data: { epoch: 2 } }]);
  expect(restored.decide({ ...command, subject: 'run_1' })).toEqual([]);
});
