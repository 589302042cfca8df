import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { TestPartition, may } from '../testing/partition.js';

let partition: TestPartition;
const request = (client: string) => ({
  client,
  kid: `${client}-key`,
  audience: 'urn:writ:api',
  expires: '2026-11-23T10:05:00.000Z',
});
const presented = (sub: string, more: object = {}) => ({
  sub,
  jti: 'tok_0',
  details: [may(['tool.call'])],
  act: [],
  from: [],
  ...more,
});
const issue = (client: string, command: { type: string; [field: string]: unknown }) =>
  partition.do('token', 'tok_1', { ...request(client), ...command });
const refused = (client: string, command: { type: string; [field: string]: unknown }) =>
  partition.refused('token', 'tok_1', { ...request(client), ...command });

beforeEach(() => {
  partition = new TestPartition();
  partition.principal('agt_a', ['run.*', 'tool.call']);
  partition.principal('agt_b', ['memory.read']);
  partition.do('grant', 'run_1', { type: 'issue', agent: 'agt_a', onBehalfOf: ['psn_1'] });
  partition.do('grant', 'run_2', {
    type: 'issue',
    agent: 'agt_b',
    parent: 'run_1',
    details: [may(['tool.call'], ['files/*'])],
  });
});

describe('a token of one’s own', () => {
  test('carries what its principal holds, or less', () => {
    expect(issue('agt_a', { type: 'issue_own' })).toMatchObject([
      { type: 'token.issued.v1', data: { principal: 'agt_a', details: [may(['run.*', 'tool.call'])], act: [] } },
    ]);
    expect(issue('agt_a', { type: 'issue_own', wanted: [may(['run.read'])] })).toMatchObject([
      { data: { details: [may(['run.read'])] } },
    ]);
    expect(refused('agt_a', { type: 'issue_own', wanted: [may(['memory.read'])] })).toBe('identity.exceeds_parent');
  });

  test('is not issued with a key that was retired in the meantime', () => {
    expect(refused('agt_a', { type: 'issue_own', kid: 'agt_b-key' })).toBe('identity.key_retired');
  });

  test.each(['agt_a', 'tnt_a'])('is not issued after the revocation of %s', (subject) => {
    partition.do('revocation', subject, { type: 'revoke', reason: 'test' });
    expect(refused('agt_a', { type: 'issue_own' })).toBe('identity.revoked');
  });
});

describe('a run’s token', () => {
  test('names the run whose budget pays, however it is narrowed or handed on', () => {
    verifies('budget.in_token');
    partition.do('grant', 'run_paid', { type: 'issue', agent: 'agt_a', onBehalfOf: ['psn_1'], budget: 'run_account' });
    const own = { type: 'issue_for_run', run: 'run_paid', presented: presented('agt_a') };
    expect(issue('agt_a', own)).toMatchObject([{ data: { run: 'run_paid', budget: 'run_account' } }]);
    const held = presented('agt_a', { run: 'run_paid', act: ['run_paid', 'psn_1'], mayAct: 'agt_b' });
    expect(issue('agt_b', { type: 'narrow', presented: held })).toMatchObject([{ data: { budget: 'run_account' } }]);
    expect(
      issue('agt_a', { type: 'issue_for_run', run: 'run_1', presented: presented('agt_a') })[0]?.data,
    ).not.toHaveProperty('budget');
  });

  test('acts as the run’s agent, for everyone up to the person who started the first run', () => {
    expect(issue('agt_b', { type: 'issue_for_run', run: 'run_2', presented: presented('agt_b') })).toMatchObject([
      {
        data: {
          principal: 'agt_b',
          run: 'run_2',
          act: ['run_2', 'run_1', 'agt_a', 'psn_1'],
          details: [may(['tool.call'], ['files/*'])],
        },
      },
    ]);
  });

  test('is also given to the agent that the run acts for', () => {
    const [event] = issue('agt_a', { type: 'issue_for_run', run: 'run_2', presented: presented('agt_a') });
    expect(event).toMatchObject({ data: { principal: 'agt_b', run: 'run_2' } });
  });

  test('does not lift the one that it acts for: a person with few rights does not get those of the agent', () => {
    verifies('identity.no_rise_by_run');
    partition.do('grant', 'run_3', { type: 'issue', agent: 'agt_a', onBehalfOf: ['agt_b'] });
    const command = {
      type: 'issue_for_run',
      run: 'run_3',
      presented: presented('agt_b', { details: [may(['run.read'])] }),
    };
    expect(refused('agt_b', command)).toBe('identity.exceeds_parent');
    expect(issue('agt_b', { ...command, wanted: [may(['run.read'])] })).toMatchObject([
      { data: { principal: 'agt_a', run: 'run_3', details: [may(['run.read'])] } },
    ]);
    expect(issue('agt_a', { ...command, presented: presented('agt_a') })).toHaveLength(1);
  });

  test.each([{}, { jti: 'tok_9', from: ['tok_0'] }, { jti: 'tok_9', act: ['tok_0'] }])(
    'is not given for a token that was revoked, or that rests on one: %p',
    (more) => {
      verifies('identity.revoked_subtree');
      partition.do('revocation', 'tok_0', { type: 'revoke', reason: 'leaked' });
      const command = { type: 'issue_for_run', run: 'run_2', presented: presented('agt_b', more) };
      expect(refused('agt_b', command)).toBe('identity.revoked');
    },
  );

  test('is not given to another agent, nor for a token of another', () => {
    expect(refused('agt_b', { type: 'issue_for_run', run: 'run_1', presented: presented('agt_b') })).toBe(
      'identity.not_the_holder',
    );
    expect(refused('agt_a', { type: 'issue_for_run', run: 'run_1', presented: presented('agt_b') })).toBe(
      'identity.not_the_holder',
    );
  });

  test('holds no more than the run’s grant', () => {
    verifies('identity.exceeds_parent');
    const command = {
      type: 'issue_for_run',
      run: 'run_2',
      presented: presented('agt_b'),
      wanted: [may(['tool.call'])],
    };
    expect(refused('agt_b', command)).toBe('identity.exceeds_parent');
  });

  test('opens the runs below its own, and none beside or above it', () => {
    const below = { type: 'issue_for_run', run: 'run_2', presented: presented('agt_a', { run: 'run_1' }) };
    expect(issue('agt_a', below)).toHaveLength(1);
    const above = { type: 'issue_for_run', run: 'run_1', presented: presented('agt_a', { run: 'run_2' }) };
    expect(refused('agt_a', above)).toBe('identity.exceeds_parent');
  });

  test.each(['run_1', 'agt_a', 'run_2'])('is not issued after the revocation of %s, which it acts for', (subject) => {
    verifies('identity.revoked_subtree');
    partition.do('revocation', subject, { type: 'revoke', reason: 'test' });
    expect(refused('agt_b', { type: 'issue_for_run', run: 'run_2', presented: presented('agt_b') })).toBe(
      'identity.revoked',
    );
  });

  test('is not issued when the run has ended', () => {
    partition.do('grant', 'run_2', { type: 'close' });
    expect(refused('agt_b', { type: 'issue_for_run', run: 'run_2', presented: presented('agt_b') })).toBe(
      'identity.grant_not_found',
    );
  });
});

describe('a narrower token', () => {
  test('stays inside the one presented and falls with it', () => {
    const wanted = [may(['tool.call'], ['files/*'])];
    expect(issue('agt_a', { type: 'narrow', presented: presented('agt_a'), wanted, mayAct: 'agt_b' })).toMatchObject([
      { data: { principal: 'agt_a', details: wanted, from: ['tok_0'], act: [], mayAct: 'agt_b' } },
    ]);
    expect(refused('agt_a', { type: 'narrow', presented: presented('agt_a'), wanted: [may(['run.start'])] })).toBe(
      'identity.exceeds_parent',
    );
    partition.do('revocation', 'tok_0', { type: 'revoke', reason: 'leaked' });
    expect(refused('agt_a', { type: 'narrow', presented: presented('agt_a') })).toBe('identity.revoked');
  });

  test('goes to a sub-agent only where may_act names it', () => {
    expect(refused('agt_b', { type: 'narrow', presented: presented('agt_a') })).toBe('identity.not_the_holder');
    expect(refused('agt_b', { type: 'narrow', presented: presented('agt_a', { mayAct: 'agt_c' }) })).toBe(
      'identity.not_the_holder',
    );
    expect(
      issue('agt_b', { type: 'narrow', presented: presented('agt_a', { mayAct: 'agt_b', act: ['psn_1'] }) }),
    ).toMatchObject([{ data: { principal: 'agt_b', act: ['agt_a', 'psn_1'], from: ['tok_0'] } }]);
  });

  test('of a run’s token keeps the run in front of the chain', () => {
    const token = presented('agt_a', { mayAct: 'agt_b', run: 'run_1', act: ['run_1', 'psn_1'] });
    expect(issue('agt_b', { type: 'narrow', presented: token })).toMatchObject([
      { data: { principal: 'agt_b', run: 'run_1', act: ['run_1', 'agt_a', 'psn_1'] } },
    ]);
  });

  test('is delegated at most eight times', () => {
    const act = Array.from({ length: 8 }, (_, i) => `agt_${i}`);
    expect(refused('agt_b', { type: 'narrow', presented: presented('agt_a', { mayAct: 'agt_b', act }) })).toBe(
      'identity.too_deep',
    );
  });
});
