import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as fc from 'fast-check';
import { covers, permits, type Capability } from './capabilities.js';

// A small alphabet, so that patterns and names meet; stars stand also where they mean nothing.
const name = fc.array(fc.constantFrom('a', 'b', '*', '.', '/', 'é'), { maxLength: 4 }).map((parts) => parts.join(''));
const pattern = fc.oneof(
  name,
  name.map((text) => `${text}*`),
  fc.constant('*'),
);
const entry: fc.Arbitrary<Capability> = fc
  .record(
    {
      type: fc.constant('writ' as const),
      actions: fc.array(pattern, { maxLength: 3 }),
      resources: fc.array(pattern, { maxLength: 3 }),
    },
    { requiredKeys: ['type', 'actions'] },
  )
  .map((each) => each as Capability);
const grant = fc.array(entry, { maxLength: 3 });
/** Half of the children are cut out of the parent, so that some are covered. */
const pair = grant.chain((parent) =>
  fc.tuple(fc.constant(parent), fc.oneof(grant, fc.subarray(parent), fc.subarray(parent).map(narrowed))),
);

function narrowed(parts: Capability[]): Capability[] {
  return parts.map(({ actions, resources = ['*'] }) => ({
    type: 'writ',
    actions: actions.map((each) => each.replace(/\*$/, 'a')),
    resources: resources.map((each) => each.replace(/\*$/, 'b*')),
  }));
}

test('what is covered permits nothing that the holder may not do', () => {
  verifies('identity.exceeds_parent');
  fc.assert(
    fc.property(pair, name, name, ([parent, child], action, resource) => {
      fc.pre(covers(parent, child).ok);
      if (permits(child, action, resource)) expect(permits(parent, action, resource)).toBe(true);
      if (permits(child, action)) expect(permits(parent, action)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('everybody holds what they hold, and who holds what covers another holds what that one covers', () => {
  fc.assert(
    fc.property(grant, pair, (parent, [middle, child]) => {
      expect(covers(parent, parent)).toEqual({ ok: true });
      if (covers(parent, middle).ok && covers(middle, child).ok) expect(covers(parent, child)).toEqual({ ok: true });
    }),
  );
});

test('what is missing is part of what was asked for, and is not held', () => {
  fc.assert(
    fc.property(pair, ([parent, child]) => {
      const verdict = covers(parent, child);
      if (verdict.ok) return;
      expect(covers(child, [verdict.missing])).toEqual({ ok: true });
      expect(covers(parent, [verdict.missing]).ok).toBe(false);
    }),
  );
});
