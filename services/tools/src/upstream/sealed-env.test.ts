import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { SealedEnv, withoutValues } from './sealed-env.js';

const secret = Buffer.alloc(32, 7);
const env = new SealedEnv(secret);
const owner = { tenant: 'tnt_1', server: 'db' };
const spec = { kind: 'stdio' as const, argv: ['db'], env: { PASSWORD: 'hunter2', EMPTY: '' }, mounts: [] };

test('a value of an environment opens for its server with its secret, and for nothing else', () => {
  verifies('tools.env_sealed');
  const sealed = env.seal(owner, spec);
  expect(JSON.stringify(sealed)).not.toContain('hunter2');
  expect(new SealedEnv(secret).open(owner, sealed)).toEqual(spec);
  for (const [whose, by] of [
    [{ ...owner, tenant: 'tnt_2' }, env],
    [{ ...owner, server: 'other' }, env],
    [owner, new SealedEnv(Buffer.alloc(32, 8))],
  ] as const)
    expect(() => by.open(whose, sealed)).toThrow('sealed with another secret');
  const swapped = { ...sealed, env: { EMPTY: sealed.env.PASSWORD, PASSWORD: sealed.env.EMPTY } };
  expect(() => env.open(owner, swapped)).toThrow('sealed with another secret');
});

test('the same server added again is the same, what was recorded in clear still opens, and no value is shown', () => {
  expect(env.seal(owner, spec)).toEqual(env.seal(owner, spec));
  expect(env.open(owner, spec)).toEqual(spec);
  expect(withoutValues(spec).env).toEqual({ PASSWORD: '', EMPTY: '' });
});
