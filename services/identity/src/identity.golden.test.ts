import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { LedgerEvent } from '@writ/ledger/domain';
import { grantEvents } from './grant/grant.events.js';
import { identityModel } from './identity.model.js';
import { principalEvents } from './principal/principal.events.js';
import { revocationEvents } from './revocation/revocation.events.js';
import { signingKeyEvents } from './signing/signing-key.events.js';
import { tenantEvents } from './tenant/tenant.events.js';
import { tokenEvents } from './token/token.events.js';

/** One of every event that identity ever wrote, as it stands in ledgers out there. Lines are added, never changed. */
const golden = readFileSync(new URL('./identity.golden.ndjson', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as LedgerEvent);
const schemas = {
  ...tenantEvents,
  ...principalEvents,
  ...grantEvents,
  ...revocationEvents,
  ...signingKeyEvents,
  ...tokenEvents,
};

test('every type of event has a golden line, and no line is of an unknown type', () => {
  expect([...new Set(golden.map(({ type }) => type))].sort()).toEqual(Object.keys(schemas).sort());
});

test.each(golden.map((event) => [event.type, event] as const))('%s is still read as it was written', (type, event) => {
  expect(schemas[type as keyof typeof schemas].parse(event.data)).toEqual(event.data);
});

describe('a ledger of all of them', () => {
  const model = identityModel();
  golden.forEach((event, index) => model.evolve(event, { commit: index + 1, index: 0 }));
  const decide = (
    aggregate: string,
    subject: string,
    command: { type: string; [field: string]: unknown },
    tenant = 'tnt_1',
  ) => {
    const actor = { principal: 'operator', kind: 'operator' } as const;
    return model.decide({ id: 'cmd_1', tenant, aggregate, subject, command, actor, time: '2026-11-23T12:00:00.000Z' });
  };

  test('gives the state that it gave when they were written', () => {
    expect(decide('grant', 'run_2', { type: 'issue', agent: 'agt_1' })).toMatchObject([
      { type: 'grant.issued.v1', data: { chain: [], details: [{ actions: ['run.*'] }], depth: 0 } },
    ]);
    const child = { type: 'issue', agent: 'agt_1', parent: 'run_1' };
    expect(() => decide('grant', 'run_2', child)).toThrow('run_1 was not granted run.start of anything');
    expect(() => decide('grant', 'run_3', { type: 'issue', agent: 'agt_1', parent: 'run_0' })).toThrow(/no grant/);
    expect(decide('revocation', 'run_7', { type: 'revoke', reason: 'x' })).toMatchObject([{ data: { epoch: 2 } }]);
    expect(decide('signing', 'signing', { type: 'activate', key: { kid: 'k1', jwk: {} } }, 'system')).toEqual([]);
    const own = {
      type: 'issue_own',
      client: 'agt_1',
      kid: 'agent-2',
      audience: 'urn:writ:api',
      expires: '2026-11-23T12:05:00.000Z',
    };
    expect(decide('token', 'tok_2', own)).toMatchObject([{ data: { details: [{ actions: ['run.*'] }] } }]);
    expect(() => decide('token', 'tok_2', { ...own, kid: 'agent-1' })).toThrow(/not a key/);
    expect(() => decide('grant', 'run_9', { type: 'issue', agent: 'agt_1' })).toThrow(/run_9 was revoked/);
  });
});
