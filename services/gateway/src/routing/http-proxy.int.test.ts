import { createHash, randomBytes } from 'node:crypto';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fakeToken, startTestApi, type TestApi } from '@writ/api/testing';
import { eventually, verifies } from '@writ/testkit';
import { Installation, type Upstream } from '../testing/installation.js';
import { StubMemory } from '../testing/stub-memory.js';

let installation: Installation;
let tools: Upstream;
let memory: TestApi;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  installation = await Installation.start();
  tools = await installation.serve('tools', (incoming, outgoing) => answer(incoming, outgoing));
  memory = await startTestApi({ providers: [StubMemory] });
  await installation.announce('memory', { httpUrl: memory.httpUrl, grpcUrl: `http://${memory.grpcAddress}` });
});
afterAll(async () => {
  await memory[Symbol.asyncDispose]();
  await installation[Symbol.asyncDispose]();
});

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Sends the bytes as they are, and gives all that comes back until the connection is closed. */
function raw(text: string): Promise<string> {
  const { port, hostname } = new URL(installation.url);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => (received += part));
    socket.once('end', () => resolve(received)).once('error', reject);
  });
}

describe('what is passed on over HTTP', () => {
  test('method, path, query, headers and body arrive as they were sent, and so does the answer', async () => {
    verifies('gateway.pass_through');
    const bytes = randomBytes(300_000);
    let seen: {
      method?: string | undefined;
      url?: string | undefined;
      headers: IncomingMessage['headers'];
      body: Buffer;
    };
    answer = async (incoming, outgoing) => {
      seen = { method: incoming.method, url: incoming.url, headers: incoming.headers, body: await bodyOf(incoming) };
      outgoing.writeHead(207, { 'x-answer': 'yes', 'content-type': 'application/octet-stream' }).end(bytes);
    };
    const response = await fetch(`${installation.url}/mcp?a=%2F&b=1`, {
      method: 'POST',
      body: bytes,
      headers: { 'content-type': 'application/x-any', authorization: 'Bearer opaque', 'mcp-session-id': 's1' },
    });
    expect(response.status).toBe(207);
    expect(response.headers.get('x-answer')).toBe('yes');
    expect(hash(new Uint8Array(await response.arrayBuffer()))).toBe(hash(bytes));
    expect(seen!).toMatchObject({
      method: 'POST',
      url: '/mcp?a=%2F&b=1',
      headers: {
        'content-type': 'application/x-any',
        authorization: 'Bearer opaque',
        'mcp-session-id': 's1',
        host: new URL(tools.httpUrl).host,
      },
    });
    expect(hash(seen!.body)).toBe(hash(bytes));
  });

  test('a body that is no JSON is not looked into, one without a length neither', async () => {
    const bodies: string[] = [];
    answer = async (incoming, outgoing) => {
      bodies.push(`${incoming.headers['content-length'] ?? 'chunked'} ${(await bodyOf(incoming)).toString()}`);
      outgoing.end('ok');
    };
    const json = { 'content-type': 'application/json' };
    await fetch(`${installation.url}/mcp`, { method: 'POST', headers: json, body: '{ not json' });
    const stream = ReadableStream.from([Buffer.from('one '), Buffer.from('two')]);
    await fetch(`${installation.url}/mcp`, {
      method: 'POST',
      headers: json,
      body: stream,
      duplex: 'half',
    } as RequestInit);
    await fetch(`${installation.url}/mcp`);
    expect(bodies).toEqual(['10 { not json', 'chunked one two', 'chunked ']);
  });

  test('a body of a method that usually has none does not become a request of its own', async () => {
    const seen: string[] = [];
    answer = async (incoming, outgoing) => {
      seen.push(`${incoming.method} ${incoming.url} ${(await bodyOf(incoming)).toString()}`);
      outgoing.end('ok');
    };
    const smuggled = 'POST /mcp/inner HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n';
    const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
    await raw(`DELETE /mcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`);
    expect(seen).toEqual([`DELETE /mcp ${smuggled}`]);
  });

  test('events arrive one by one while the stream goes on', async () => {
    let next: () => void = () => undefined;
    answer = (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      let count = 0;
      next = () => outgoing.write(`data: ${++count}\n\n`);
    };
    const leave = new AbortController();
    const response = await fetch(`${installation.url}/mcp`, { signal: leave.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const expected of [1, 2, 3]) {
      next();
      expect((await reader.read()).value).toBe(`data: ${expected}\n\n`);
    }
    leave.abort();
  });

  test('whoever leaves frees the service, while it answers and before', async () => {
    verifies('api.frees_handler');
    for (const when of ['before', 'during']) {
      let open = 0;
      answer = (_incoming, outgoing) => {
        open++;
        outgoing.once('close', () => open--);
        if (when === 'during') outgoing.write('a first part');
      };
      const leave = new AbortController();
      const call = fetch(`${installation.url}/mcp`, { method: 'POST', body: '{}', signal: leave.signal });
      if (when === 'during') await call;
      await eventually(() => open === 1);
      leave.abort();
      await call.then((response) => response.text()).catch(() => undefined);
      await eventually(() => open === 0);
    }
  });

  test('a reader that stops reading stops the service', async () => {
    let written = 0;
    answer = (_incoming, outgoing) => {
      const part = Buffer.alloc(64 * 1024);
      const write = (): void => {
        while (!outgoing.destroyed && written < 1e9 && outgoing.write(part)) written += part.length;
      };
      outgoing.on('drain', write);
      write();
    };
    const incoming = await new Promise<IncomingMessage>((resolve) => request(`${installation.url}/mcp`, resolve).end());
    incoming.pause();
    let last = -1;
    await eventually(
      () => {
        const still = written === last;
        last = written;
        return still;
      },
      { everyMs: 200 },
    );
    expect(written).toBeLessThan(64e6);
    incoming.destroy();
  });

  test('a service that refuses a body of 10 MiB is heard, every time', async () => {
    verifies('gateway.early_refusal');
    const body = JSON.stringify({ scope: 'a', text: 'x'.repeat(10 * 1024 * 1024) });
    const headers = { 'content-type': 'application/json', authorization: fakeToken() };
    for (let turn = 0; turn < 20; turn++) {
      const response = await fetch(`${installation.url}/v1/memory`, { method: 'POST', headers, body });
      expect(response.status).toBe(413);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(await response.json()).toMatchObject({ code: 'request.too_large' });
    }
    const small = { method: 'POST', headers, body: JSON.stringify({ scope: 'a', text: 'b' }) };
    expect(await (await fetch(`${installation.url}/v1/memory`, small)).json()).toMatchObject({ id: 'mem_a' });
  });

  test('a refusal of a service is passed on as it is, and not tried again', async () => {
    let calls = 0;
    answer = (_incoming, outgoing) => {
      calls++;
      outgoing.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' });
      outgoing.end('{"code":"auth.revocation_unknown"}');
    };
    const response = await fetch(`${installation.url}/mcp`);
    expect([response.status, response.headers.get('retry-after'), calls]).toEqual([503, '1', 1]);
    expect(await response.json()).toEqual({ code: 'auth.revocation_unknown' });
  });

  test('a service that is not there, that is dead, or that dies while it answers, is told apart from an answer', async () => {
    const problemAt = async (path: string) => {
      const response = await fetch(`${installation.url}${path}`, { headers: { 'x-request-id': 'r1' } });
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      return [response.status, response.headers.get('retry-after'), await response.json()];
    };
    expect(await problemAt('/v1/audit/checkpoint')).toEqual([
      503,
      '1',
      expect.objectContaining({ code: 'gateway.no_service', request_id: 'r1', details: { service: 'audit' } }),
    ]);
    const identity = await installation.serve('identity', (incoming) => incoming.socket.destroy());
    const unavailable = [503, '1', expect.objectContaining({ code: 'service.unavailable', request_id: 'r1' })];
    expect(await problemAt('/v1/agents')).toEqual(unavailable);
    await identity.die();
    expect(await problemAt('/v1/agents')).toEqual(unavailable);
    answer = (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => outgoing.destroy());
    };
    await expect(fetch(`${installation.url}/mcp`).then((response) => response.text())).rejects.toThrow('terminated');
  });
});

describe('of two replicas', () => {
  const send = async (init: RequestInit = {}) =>
    (await fetch(`${installation.url}/v1/policies`, { signal: AbortSignal.timeout(5_000), ...init })).status;
  const post = { method: 'POST', body: 'x'.repeat(300_000) };

  test('one that takes no connection is passed over, with all of the body; what one was sent goes to no other', async () => {
    verifies('gateway.failover');
    let mute = true;
    const sizes: number[] = [];
    await installation.announce('policy', { httpUrl: 'http://127.0.0.1:1', grpcUrl: 'http://127.0.0.1:1' }, 'killed');
    const live = await installation.serve('policy', (incoming, outgoing) => {
      if (mute) incoming.once('data', () => incoming.socket.destroy()).once('end', () => incoming.socket.destroy());
      else void bodyOf(incoming).then((body) => outgoing.end(String(sizes.push(body.length))));
    });
    expect([await send(post), await send(post)]).toEqual([503, 503]); // it may have been done
    mute = false;
    for (let turn = 0; turn < 4; turn++) expect(await send(turn % 2 === 0 ? post : {})).toBe(200);
    expect(sizes).toEqual([300_000, 0, 300_000, 0]);
    const other = await installation.serve('policy', (incoming) => incoming.socket.destroy(), 'dying');
    for (let turn = 0; turn < 6; turn++) expect(await send()).toBe(200); // a read is asked again
    await other.die();
    await live.die();
  });
});

describe('what is not passed on', () => {
  test.each([
    ['an address of another host', 'GET http://127.0.0.1:1/v1/audit/checkpoint HTTP/1.1', 404],
    ['the door’s own health', 'GET /health/live HTTP/1.1', 200],
    ['an address with bytes that no address has', 'GET /mcp/\u00e9 HTTP/1.1', 400],
    ['a path of nobody', 'GET /v1/nothing HTTP/1.1', 404],
    ['what a page of another origin asks', 'POST /v1/policies HTTP/1.1\r\norigin: https://evil.example', 403],
    ['what a page of no origin asks', 'GET /v1/policies HTTP/1.1\r\norigin: null', 403],
  ])('%s', async (_name, line, status) => {
    verifies('api.host_checked');
    answer = (_incoming, outgoing) => outgoing.end('reached the service');
    const received = await raw(`${line}\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(received.split('\r\n')[0]).toContain(`HTTP/1.1 ${status} `);
    expect(received).not.toContain('reached the service');
  });
});
