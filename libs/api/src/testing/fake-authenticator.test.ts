import { describe, expect, test } from '@jest/globals';
import { authenticatorContract } from './authenticator-contract.js';
import { FakeAuthenticator, fakeToken } from './fake-authenticator.js';

describe('the fake authenticator', () => {
  authenticatorContract(
    async () => {
      const authenticator = new FakeAuthenticator();
      const grant = ['run.start'];
      return {
        authenticator,
        token: fakeToken({ grant, principal: 'agt_1', tenant: 'tnt_1' }),
        principal: 'agt_1',
        tenant: 'tnt_1',
        expired: fakeToken({ grant, expires: '2020-01-01T00:00:00Z' }),
        wrongAudience: fakeToken({ grant, audience: 'urn:other' }),
        revoke: () => authenticator.revoke('agt_1'),
      };
    },
    { test, equal: (actual, expected) => expect(actual).toEqual(expected) },
  );
});
