import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { principalOf } from './pipeline/call.js';
import { callerNamed } from './pipeline/pipeline.fixture.js';
import { isRunId } from './run-id.js';

test.each(['run_1', 'refund-o1', 'a.b:c_d', 'agent'])('%s can be the id of a run', (id) => {
  expect(isRunId(id)).toBe(true);
});

test.each(['', 'a/b', 'a b', 'agt_1', 'psn_1', 'tnt_1', 'tok_1', 'svc_tools', 'operator', 'system', 'x'.repeat(201)])(
  '%j cannot be the id of a run',
  (id) => {
    verifies('identity.chosen_run_ids');
    expect(isRunId(id)).toBe(false);
  },
);

test('a run counts as a delegation whatever its id', () => {
  const actor = { principal: 'agt_1', kind: 'agent', onBehalfOf: ['refund-o1', 'agt_2', 'run_1', 'psn_1'] } as const;
  expect(principalOf(callerNamed('agt_1', { run: 'r', actor })).depth).toBe(2);
});
