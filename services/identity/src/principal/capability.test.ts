import { expect, test } from '@jest/globals';
import { covers } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { capabilitiesSchema } from './capability.js';

test.each([
  'run.start', 'run.*', '*', 'memory.read_all',
])('%s is an action', (action) => {
  expect(capabilitiesSchema.safeParse([{ type: 'writ', actions: [action] }]).success).toBe(true);
}); // prettier-ignore

test.each([
  '', '**', 'run', 'run.', '.start', 'run.*x', 'run.s*', '*.start', 'Run.start', 'run.start ', 'run.start\n', 'rün.start', '__proto__', 'a.b.c',
])('%j is none', (action) => {
  expect(capabilitiesSchema.safeParse([{ type: 'writ', actions: [action] }]).success).toBe(false);
}); // prettier-ignore

test('what is read of anything at all is what was sent, names something, and is covered by itself', () => {
  verifies('identity.exceeds_parent');
  const texts = fc.array(fc.oneof(fc.constantFrom('run.start', 'run.*', '*', 'a\u0000', '', '__proto__'), fc.string()));
  const entry = fc.oneof(
    fc.jsonValue(),
    fc.record(
      { type: fc.constantFrom('writ', 'other'), actions: texts, resources: fc.oneof(texts, fc.constant(null)) },
      { requiredKeys: [] },
    ),
    fc.constant(JSON.parse('{"__proto__":{"type":"writ","actions":["*"]}}')),
    fc.constant(JSON.parse('{"type":"writ","actions":["run.read"],"__proto__":{"resources":["*"]}}')),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.array(entry)), (json) => {
      const parsed = capabilitiesSchema.safeParse(json);
      if (!parsed.success) return;
      expect(parsed.data).toEqual(json);
      for (const { actions, resources } of parsed.data) {
        expect(actions.length).toBeGreaterThan(0);
        expect(resources?.length).not.toBe(0);
        for (const resource of resources ?? []) expect(resource).toMatch(/^[^\u0000]+$/);
      }
      expect(covers(parsed.data, parsed.data)).toEqual({ ok: true });
    }),
    { numRuns: 1_000 },
  );
});
