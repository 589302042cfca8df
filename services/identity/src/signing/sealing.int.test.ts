import { mkdtemp, rm, stat, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { seal, sealingSecret, unseal } from './sealing.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'writ-sealing-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('what is sealed opens with the same secret and name only, and not when it was changed', () => {
  const [secret, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const sealed = seal(secret, 'kid', 'private');
  expect(unseal(secret, 'kid', sealed)).toBe('private');
  expect(unseal(other, 'kid', sealed)).toBeUndefined();
  expect(unseal(secret, 'another kid', sealed)).toBeUndefined();
  const changed = Buffer.from(sealed);
  changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
  expect(unseal(secret, 'kid', changed)).toBeUndefined();
  expect(sealed.includes('private')).toBe(false);
});

test('a secret that is not given is made once, for this user alone, also by two processes at once', async () => {
  const secrets = await Promise.all([1, 2, 3, 4].map(() => sealingSecret(undefined, folder)));
  for (const secret of secrets) expect(secret).toEqual(secrets[0]);
  expect(await readdir(path.join(folder, 'identity'))).toEqual(['secret']);
  expect((await stat(path.join(folder, 'identity', 'secret'))).mode & 0o777).toBe(0o600);
  expect(await sealingSecret(Buffer.alloc(32, 7).toString('base64'), folder)).toEqual(Buffer.alloc(32, 7));
});
