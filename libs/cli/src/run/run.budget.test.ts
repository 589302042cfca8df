import { describe, expect, test } from '@jest/globals';
import { budgetText, limitsOf } from './run.budget.js';

describe('limits on the command line', () => {
  test('are written as name=amount', () => {
    expect(limitsOf('usd=2.5, tokens=100000,toolCalls=0,children=5,time=90m,depth=2', '--add')).toEqual({
      nanoUsd: '2500000000',
      tokens: '100000',
      toolCalls: '0',
      children: '5',
      time: '5400s',
      depth: 2,
    });
    expect(limitsOf('usd=0.000000001', '--add')).toEqual({ nanoUsd: '1' });
  });

  test.each(['usd=-1', 'tokens=1.5', 'calls=3', 'time=1y', '', 'tokens', 'usd=1e3'])('are not %j', (text) => {
    expect(() => limitsOf(text, '--add')).toThrow('does not understand');
  });
});

test('a budget is told in amounts that people know', () => {
  const amount = { nanoUsd: '0', tokens: '0', toolCalls: '0', children: '0' };
  const budget = {
    account: 'run_1',
    limits: { nanoUsd: '2500000000', toolCalls: '5' },
    used: { ...amount, nanoUsd: '400000000', toolCalls: '5', tokens: '12' },
    reserved: { ...amount, nanoUsd: '100000000' },
    approvalId: 'apr_1',
    children: [{ run: 'run_2', used: { ...amount, toolCalls: '2' }, reserved: amount }],
  };
  expect(budgetText(budget as never)).toBe(
    'usd 0.4 used, 0.1 reserved, of 2.5\ntokens 12 used\ntoolCalls 5 used, of 5\nasked for more apr_1\nrun_2: 2 toolCalls',
  );
});
