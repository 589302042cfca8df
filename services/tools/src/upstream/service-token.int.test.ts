import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, jwtVerify, type CryptoKey, type JWK } from 'jose';
import { ServiceToken } from './service-token.js';

let server: Server;
let jwk: JWK;
let publicKey: CryptoKey;
let asked: URLSearchParams[];
let answer: { status: number; body: object };

const issuer = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth`;
const token = () => new ServiceToken({ clientId: 'svc_tools', jwk, issuer: issuer(), audience: 'urn:writ:api' });

beforeEach(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true });
  publicKey = pair.publicKey;
  jwk = await exportJWK(pair.privateKey);
  asked = [];
  answer = { status: 200, body: { access_token: 'one', expires_in: 300 } };
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      asked.push(new URLSearchParams(body));
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

test('is asked for once by calls at the same moment, with an assertion of its own key', async () => {
  const mine = token();
  const [one, two] = await Promise.all([mine.metadata('tnt_1'), mine.metadata('tnt_2')]);
  expect(one).toEqual({ authorization: 'Bearer one', 'writ-tenant': 'tnt_1' });
  expect(two).toEqual({ authorization: 'Bearer one', 'writ-tenant': 'tnt_2' });
  expect(asked).toHaveLength(1);
  const form = asked[0] as URLSearchParams;
  expect(Object.fromEntries(form)).toMatchObject({ grant_type: 'client_credentials', resource: 'urn:writ:api' });
  const { payload } = await jwtVerify(form.get('client_assertion') ?? '', publicKey, { audience: issuer() });
  expect(payload).toMatchObject({ iss: 'svc_tools', sub: 'svc_tools' });
});

test('is asked for again before it ends, and after a refusal', async () => {
  const mine = token();
  answer = { status: 400, body: { error: 'invalid_client' } };
  await expect(mine.metadata('tnt_1')).rejects.toThrow(
    'identity gave svc_tools no token (400): {"error":"invalid_client"}',
  );
  answer = { status: 200, body: { access_token: 'short', expires_in: 30 } };
  expect((await mine.metadata('tnt_1'))['authorization']).toBe('Bearer short');
  answer = { status: 200, body: { access_token: 'next', expires_in: 300 } };
  expect((await mine.metadata('tnt_1'))['authorization']).toBe('Bearer next');
  expect((await mine.metadata('tnt_1'))['authorization']).toBe('Bearer next');
  expect(asked).toHaveLength(3);
});
