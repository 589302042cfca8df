import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { holds, mustHold } from './holds.js';

const caller = (...resources: string[]) => ({
  principal: 'agt_1',
  grant: [{ type: 'writ' as const, actions: ['run.read'], ...(resources.length > 0 && { resources }) }],
});

test('a grant that names resources covers those, and no list of everything', () => {
  verifies('api.resource_of_capability');
  const narrow = caller('run_1', 'run_2*');
  expect(['run_1', 'run_2', 'run_2x', 'run_3', 'run_', '', '*'].map((run) => holds(narrow, 'run.read', run))).toEqual([
    true, true, true, false, false, false, false,
  ]); // prettier-ignore
  expect(() => mustHold(narrow, 'run.read', 'run_3')).toThrow(
    expect.objectContaining({ code: 'auth.missing_capability', details: { requires: 'run.read', resource: 'run_3' } }),
  );
  expect(() => mustHold(narrow, 'run.cancel', 'run_1')).toThrow();
});

test('a grant that names none covers everything', () => {
  expect(['run_1', ''].map((run) => holds(caller(), 'run.read', run))).toEqual([true, true]);
  expect(holds(caller('*'), 'run.read', '')).toBe(true);
});
