import { expect, test } from '@jest/globals';
import { annotationsOf, effectOf, repeatOf } from './effect.js';

test.each([
  [undefined, 'write', 'write'],
  [{}, 'write', 'write'],
  [{ readOnlyHint: true }, 'read', 'read'],
  [{ readOnlyHint: true, destructiveHint: true }, 'read', 'read'],
  [{ destructiveHint: true }, 'irreversible', 'irreversible'],
  [{ destructiveHint: true, idempotentHint: true }, 'irreversible', 'idempotent'],
  [{ destructiveHint: false, idempotentHint: true }, 'write', 'idempotent'],
  [{ readOnlyHint: 'yes' }, 'write', 'write'],
])('a tool annotated %j is for policies %s and may be repeated as %s', (annotations, effect, repeat) => {
  const definition = annotations === undefined ? {} : { annotations };
  expect(effectOf(definition)).toBe(effect);
  expect(repeatOf(definition)).toBe(repeat);
});

test.each(['read', 'write', 'irreversible'])(
  'the effect %s of a worker tool comes back from its annotations',
  (effect) => {
    expect(effectOf({ annotations: annotationsOf(effect) })).toBe(effect);
  },
);
