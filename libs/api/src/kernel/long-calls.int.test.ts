import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CaseService } from '@writ/proto/testing/v1/case';
import { eventually, verifies } from '@writ/testkit';
import { clientOf, GrpcChannel } from '../client/grpc-channel.js';
import { CaseApi } from '../testing/case-service.js';
import { FakeAuthenticator, fakeToken } from '../testing/fake-authenticator.js';
import { startTestApi, type TestApi } from '../testing/start-api.js';

const service = new CaseApi();
let aheadMs = 0;
const authenticator = new FakeAuthenticator(() => Date.now() + aheadMs);
let api: TestApi;
let channel: GrpcChannel;
beforeAll(async () => {
  api = await startTestApi({ providers: [{ provide: CaseApi, useValue: service }], authenticator });
  channel = new GrpcChannel(api.grpcAddress);
});
afterAll(async () => {
  channel.close();
  await api[Symbol.asyncDispose]();
});

/** The code of the answer: `ok`, or that of the refusal. */
type Call = (authorization: string) => Promise<string>;
const overRest: Call = async (authorization) => {
  const response = await fetch(`${api.httpUrl}/v1/items/a:stop`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'slow' }),
  });
  return ((await response.json()) as { code?: string }).code ?? 'ok';
};
const overGrpc: Call = (authorization) =>
  clientOf(CaseService, channel)
    .stopItem({ id: 'a', reason: 'slow' }, { metadata: { authorization } })
    .then(
      () => 'ok',
      ({ code }: { code: string }) => code,
    );

describe.each([
  ['REST', overRest],
  ['gRPC', overGrpc],
])('a call over %s that takes long', (name, call) => {
  /** Does something while the call waits, and lets it end when it has taken long enough to be looked at again. */
  async function meanwhile(authorization: string, act: () => void): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<void>();
    service.slow = promise;
    const calls = service.calls;
    const code = call(authorization);
    await eventually(() => service.calls > calls);
    act();
    setTimeout(resolve, 150);
    return code;
  }

  test('is not answered to whoever was revoked meanwhile', async () => {
    verifies('api.revoked_meanwhile');
    const principal = `agt_${name}`;
    const authorization = fakeToken({ principal });
    expect(await meanwhile(authorization, () => authenticator.revoke(principal))).toBe('auth.revoked');
  });

  test('is answered although its token expired, or identity is silent: it was let in', async () => {
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    expect(await meanwhile(fakeToken({ expires }), () => (aheadMs = 7_200_000))).toBe('ok');
    expect(await meanwhile(fakeToken(), () => (authenticator.fresh = false))).toBe('ok');
    aheadMs = 0;
    authenticator.fresh = true;
  });
});
