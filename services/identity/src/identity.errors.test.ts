import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { identityErrors } from './identity.errors.js';

test('the README lists every refusal, and none that is not there', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const listed = [...readme.matchAll(/^\| `(identity\.[a-z_]+)` +\| (\d+) +\| (.+?) +\|$/gm)].map(
    ([, code, status, title]) => [code, Number(status), title],
  );
  expect(listed).toEqual(Object.entries(identityErrors).map(([code, { status, title }]) => [code, status, title]));
});
