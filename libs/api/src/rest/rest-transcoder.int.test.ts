import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, Get, Post } from '@nestjs/common';
import { eventually, verifies } from '@writ/testkit';
import { registerErrors } from '../errors/catalogue.js';
import { CaseApi, caseErrors } from '../testing/case-service.js';
import { fakeToken } from '../testing/fake-authenticator.js';
import { startTestApi, type TestApi } from '../testing/start-api.js';

registerErrors(caseErrors);

@Controller('beside')
class Beside {
  @Get()
  get() {
    throw new TypeError('secret text');
  }
  @Post()
  post() {
    return {};
  }
}

let api: TestApi;
let service: CaseApi;
beforeAll(async () => {
  service = new CaseApi();
  const log = { error: () => undefined, warn: () => undefined };
  api = await startTestApi({
    providers: [{ provide: CaseApi, useValue: service }],
    controllers: [Beside],
    log,
    rest: { heartbeatMs: 50 },
  });
});
afterAll(async () => api[Symbol.asyncDispose]());

const authorization = fakeToken();
async function call(verb: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(api.httpUrl + path, {
    method: verb,
    headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    headers: response.headers,
    type,
    text,
    json: type.includes('json') && !type.includes('nd') ? JSON.parse(text) : undefined,
  };
}

describe('paths', () => {
  test.each([
    ['/v1/items/a1', 'a1'],
    ['/v1/items/a%2Fb%3Ac', 'a/b:c'],
    ['/v1/items/a:b', 'a:b'],
    ['/v1/items/%20', ' '],
    [`/v1/items/${'x'.repeat(150)}`, 'x'.repeat(150)],
  ])('%s', async (path, id) => {
    expect((await call('GET', path)).json).toMatchObject({ id });
  });

  test('a variable of many segments, in an additional binding', async () => {
    expect((await call('GET', '/v1/shelves/s%2F1/items/i1')).json).toMatchObject({
      item: { name: 'shelves/s/1/items/i1' },
    });
  });

  test('a custom verb behind a colon is another method', async () => {
    expect((await call('POST', '/v1/items/a1:stop', { reason: 'r' })).json).toMatchObject({ id: 'a1', reason: 'r' });
    expect((await call('POST', '/v1/items/a%3Astop:stop', {})).json).toMatchObject({ id: 'a:stop', reason: '' });
  });

  test.each([
    ['GET', '/v1/nothing', 404, 'request.not_found'],
    ['GET', '/v1/items/a/b', 404, 'request.not_found'],
    ['GET', '/nowhere', 404, 'request.not_found'],
    ['GET', '/v1/items/', 404, 'request.not_found'],
    ['DELETE', '/v1/items/a', 405, 'request.method_not_allowed'],
    ['GET', '/v1/items/%zz', 400, 'request.malformed'],
    ['GET', '/beside', 500, 'internal.error'],
  ])('%s %s is a problem with status %i', async (verb, path, status, code) => {
    const answer = await call(verb, path);
    expect(answer).toMatchObject({
      status,
      type: expect.stringContaining('application/problem+json'),
      json: { code, status, type: `urn:writ:error:${code}` },
    });
    expect(answer.text).not.toContain('secret');
    expect(answer.headers.get('x-request-id')).toBe(answer.json.request_id);
  });
});

describe('query', () => {
  test('every kind of parameter, in proto and in JSON names', async () => {
    const query =
      'page_size=5&pageToken=p&filter.text=a%20b&filter.materials=MATERIAL_WOOD&filter.materials=2&fields=id,create_time&since=2026-01-02T03:04:05Z&descending=true&at_least=9007199254740993';
    expect((await call('GET', `/v1/items?${query}`)).json.request).toEqual({
      pageSize: 5,
      pageToken: 'p',
      filter: { text: 'a b', materials: ['MATERIAL_WOOD', 'MATERIAL_STONE'] },
      fields: 'id,createTime',
      since: '2026-01-02T03:04:05Z',
      descending: true,
      atLeast: '9007199254740993',
    });
  });

  test.each([
    ['nope=1', 'request.invalid', '#/nope'],
    ['filter=1', 'request.invalid', '#/filter'],
    ['page_size=1001', 'request.invalid', '#/pageSize'],
    ['page_token=a&page_token=b', 'request.invalid', '#/pageToken'],
    ['page_size=many', 'request.malformed', undefined],
    ['page_token=a%00b', 'request.invalid', '#/pageToken'],
    ['__proto__=1', 'request.invalid', '#/__proto__'],
  ])('%s is refused', async (query, code, pointer) => {
    const { status, json } = await call('GET', `/v1/items?${query}`);
    expect([status, json.code, json.errors?.[0].pointer]).toEqual([400, code, pointer]);
  });

  test('a method whose body is everything takes no query', async () => {
    expect((await call('POST', '/v1/items/a:stop?reason=x', {})).json.code).toBe('request.invalid');
  });
});

describe('bodies', () => {
  test('one field as the body and as the answer, every kind of field', async () => {
    const item = {
      id: 'a',
      material: 'MATERIAL_WOOD',
      grams: '9007199254740993',
      picture: 'AQID',
      labels: { k: 'v' },
      tags: ['t'],
      createTime: '2026-01-02T03:04:05Z',
      ttl: '1.500s',
      extra: { a: [1, null] },
      agent: 'agt_1',
      score: 0.5,
    };
    expect((await call('POST', '/v1/items', item)).json).toEqual({ name: '', ...item });
  });

  test('path, query and body together', async () => {
    const answer = await call('PATCH', '/v1/items/a?update_mask=name&validate_only=true', { name: 'n' });
    expect(answer.json).toMatchObject({ item: { id: 'a', name: 'n' }, updateMask: 'name' });
  });

  test.each([
    ['an unknown field', { id: 'a', nope: 1 }, 400, 'request.malformed'],
    ['a rule of a field', { id: 'A!' }, 400, 'request.invalid'],
    ['a rule over fields (CEL)', {}, 400, 'request.invalid'],
    ['what is no JSON', '{', 400, 'request.malformed'],
    ['a wrong type', { id: 1 }, 400, 'request.malformed'],
    ['U+0000 in a text', { id: 'a', name: 'a\u0000b' }, 400, 'request.invalid'],
    ['half of a surrogate pair in free JSON', '{"id":"a","extra":{"k":"\\ud800"}}', 400, 'request.invalid'],
    ['JSON that nests deep', `{"id":"a","extra":{"k":${'['.repeat(50)}${']'.repeat(50)}}}`, 400, 'request.malformed'],
    ['too many values', `{"id":"a","extra":{"k":[${'1,'.repeat(200_000)}1]}}`, 413, 'request.too_large'],
    ['a bomb of brackets', `{"id":"a","extra":{"k":${'['.repeat(500_000)}`, 400, 'request.malformed'],
    ['too much', { id: 'a', picture: 'A'.repeat(5 * 1024 * 1024) }, 413, 'request.too_large'],
  ])('%s is refused', async (_, body, status, code) => {
    verifies('api.strict');
    expect(await call('POST', '/v1/items', body)).toMatchObject({ status, json: { code } });
  });

  test('a body that is no UTF-8 is refused, not stored as something else', async () => {
    const response = await fetch(`${api.httpUrl}/v1/items`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: Buffer.concat([Buffer.from('{"id":"a","name":"'), Buffer.of(0xff, 0xc0), Buffer.from('"}')]),
    });
    expect(await response.json()).toMatchObject({
      status: 400,
      code: 'request.malformed',
      detail: 'the body is no UTF-8',
    });
  });

  test('another media type is refused, and so is a body that Nest would have parsed', async () => {
    expect(
      await call('POST', '/v1/items', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    ).toMatchObject({ status: 415, json: { code: 'request.unsupported_media_type' } });
    expect(await call('POST', '/beside', '{')).toMatchObject({
      status: 400,
      json: { code: 'request.malformed' },
      type: expect.stringContaining('application/problem+json'),
    });
  });

  test('the caller is refused before its body is read', async () => {
    verifies('api.admitted_first');
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${api.httpUrl}/v1/items`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': '1000' },
      });
      request.on('response', (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on('error', reject);
      // The head only: an answer shows that nobody waited for the rest.
      request.flushHeaders();
    });
    expect(status).toBe(401);
  });
});

test('headers stand for fields of the request, and give way to the body', async () => {
  const headers = { 'idempotency-key': 'key-1', 'if-match': '"7"' };
  expect((await call('POST', '/v1/items/a:stop', {}, headers)).json).toMatchObject({ requestId: 'key-1', etag: '"7"' });
  const both = await call('POST', '/v1/items/a:stop', { requestId: 'mine' }, headers);
  expect(both.json).toMatchObject({ requestId: 'mine', etag: '"7"' });
});

describe('refusals', () => {
  test('a refusal of the service: status, code, hint, details', async () => {
    verifies('api.one_refusal');
    const { status, json } = await call('GET', '/v1/items/missing');
    expect(status).toBe(404);
    expect(json).toEqual({
      type: 'urn:writ:error:item.not_found',
      title: 'There is no such item',
      status: 404,
      detail: 'there is no item missing',
      code: 'item.not_found',
      request_id: expect.any(String),
      hint: 'list the items',
      details: { id: 'missing' },
    });
    expect((await call('GET', '/v1/items/busy')).headers.get('retry-after')).toBe('1');
  });

  test('every method that is not public refuses a caller without a token, and one without its capability', async () => {
    verifies('api.capability_of_every_method', 'api.any_token');
    for (const [verb, path] of [
      ['GET', '/v1/items/a'],
      ['GET', '/v1/items'],
      ['POST', '/v1/items'],
      ['PATCH', '/v1/items/a'],
      ['POST', '/v1/items/a:stop'],
      ['GET', '/v1/count'],
    ] as const) {
      const without = await call(verb, path, undefined, { authorization: fakeToken({ grant: ['other.thing'] }) });
      expect(without).toMatchObject({ status: 403, json: { code: 'auth.missing_capability' } });
      const response = await fetch(api.httpUrl + path, { method: verb });
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      await response.body?.cancel();
    }
    const poor = { authorization: fakeToken({ grant: ['other.thing'] }) };
    expect((await call('GET', '/v1/me', undefined, poor)).json).toEqual({ caller: 'agt_test' });
    expect((await fetch(`${api.httpUrl}/v1/me`)).status).toBe(401);
    expect((await (await fetch(`${api.httpUrl}/v1/ping`)).json()) as object).toEqual({ caller: 'anonymous' });
  });
});

describe('bytes that are no request', () => {
  /** Sends them as they are. @returns all that came until the connection was closed */
  const raw = (bytes: string, to = api): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(to.httpUrl).port), '127.0.0.1', () => socket.write(bytes));
      let received = '';
      socket.on('data', (chunk) => (received += chunk.toString())).on('close', () => resolve(received));
      socket.on('error', reject);
    });
  const post = 'POST /v1/items HTTP/1.1\r\nhost: x\r\n';

  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'request.malformed'],
    [
      'a length and chunks',
      `${post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /`,
      400,
      'request.malformed',
    ],
    ['two lengths', `${post}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`, 400, 'request.malformed'],
    ['a length that is none', `${post}content-length: -1\r\n\r\n`, 400, 'request.malformed'],
    ['an encoding of chunks that is none', `${post}transfer-encoding: xchunked\r\n\r\n`, 400, 'request.malformed'],
    ['a bare line feed in a header', `${post}x: a\nb: c\r\n\r\n`, 400, 'request.malformed'],
    ['headers without end', `${post}${'x: y\r\n'.repeat(20_000)}`, 431, 'request.too_large'],
  ])('%s', async (_what, bytes, status, code) => {
    verifies('api.no_request');
    const [head = '', body = ''] = (await raw(bytes)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*application/problem\\+json`));
    expect(JSON.parse(body)).toMatchObject({ status, code, request_id: expect.stringMatching(/^req_/) });
  });

  test('a body that never comes to its end', async () => {
    await using hasty = await startTestApi({ providers: [CaseApi], requestTimeoutMs: 100 });
    const received = await raw(`${post}content-length: 5\r\nauthorization: ${authorization}\r\n\r\nhe`, hasty);
    expect(received).toContain('HTTP/1.1 408 ');
    expect(received).toContain('"request.timeout"');
  });
});

describe('server streams', () => {
  test('as NDJSON', async () => {
    const { type, text } = await call('GET', '/v1/count?to=3');
    expect(type).toBe('application/x-ndjson');
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).number),
    ).toEqual(['1', '2', '3']);
  });

  test('as server-sent events, resumed by Last-Event-ID', async () => {
    const { type, text } = await call('GET', '/v1/count?to=3', undefined, {
      accept: 'text/event-stream',
      'last-event-id': '1',
    });
    expect(type).toBe('text/event-stream');
    expect(text).toBe(
      'id: 2\ndata: {"number":"2","cursor":"2"}\n\nid: 3\ndata: {"number":"3","cursor":"3"}\n\nevent: end\ndata: {}\n\n',
    );
  });

  test('an error before the first frame has a status of its own, a later one ends the stream', async () => {
    expect(await call('GET', '/v1/count?ending=refuse')).toMatchObject({ status: 409, json: { code: 'item.busy' } });
    const late = await call('GET', '/v1/count?to=1&ending=refuse');
    expect([late.status, JSON.parse(late.text.trimEnd().split('\n')[1] as string).error.code]).toEqual([
      200,
      'item.busy',
    ]);
    const bug = await call('GET', '/v1/count?to=1&ending=break', undefined, { accept: 'text/event-stream' });
    expect(bug.text).toMatch(/event: error\ndata: \{.*"code":"internal.error"/);
    expect(bug.text).not.toContain('secret');
  });

  test('a silent stream sends its head and heartbeats; a reader that leaves frees the handler', async () => {
    verifies('api.frees_handler');
    const controller = new AbortController();
    const response = await fetch(`${api.httpUrl}/v1/count?ending=hang`, {
      headers: { authorization, accept: 'text/event-stream' },
      signal: controller.signal,
    });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain(': heartbeat\n\n');
    expect(service.open).toBe(1);
    controller.abort();
    await eventually(() => service.open === 0);
  });

  test('a reader that stops reading stops the writer', async () => {
    verifies('api.backpressure');
    service.counted = 0;
    const request = httpRequest(`${api.httpUrl}/v1/count?to=5000000`, { headers: { authorization } });
    request.on('response', (response) => response.pause());
    request.on('error', () => undefined);
    request.end();
    let last = -1;
    await eventually(
      () => {
        const still = service.counted > 0 && service.counted === last;
        last = service.counted;
        return still;
      },
      { everyMs: 200 },
    );
    expect(service.counted).toBeLessThan(1_000_000);
    request.destroy();
    await eventually(() => service.open === 0);
  });
});
