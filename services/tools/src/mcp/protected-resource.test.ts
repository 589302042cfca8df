import { expect, test } from '@jest/globals';
import { failureOf } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import { challengeOf, metadataUrlOf } from './protected-resource.js';

const url = 'https://writ.example/mcp';
const challenge = (code: string, detail = 'why') => challengeOf(failureOf(refuse(code, detail)), url);

test('the well-known part stands between host and path', () => {
  expect(metadataUrlOf(url)).toBe('https://writ.example/.well-known/oauth-protected-resource/mcp');
  expect(metadataUrlOf('https://writ.example/')).toBe('https://writ.example/.well-known/oauth-protected-resource');
});

test('who sent no token is told no error; who sent a bad one is', () => {
  expect(challenge('auth.missing_token')).not.toContain('error');
  expect(challenge('auth.revoked')).toContain('error="invalid_token"');
  expect(challenge('auth.missing_capability')).toContain('error="insufficient_scope"');
  expect(challenge('auth.wrong_tenant')).toBeUndefined();
  expect(challenge('auth.revocation_unknown')).toBeUndefined();
});

test('what is told cannot leave its quotes', () => {
  expect(challenge('auth.invalid_token', 'a "b" \\c\r\nSet-Cookie: ü')).toContain(
    `error_description="a 'b' 'c''Set-Cookie: '"`,
  );
});
