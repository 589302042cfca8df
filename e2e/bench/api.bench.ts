import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { clientOf, GrpcChannel } from '@writ/api';
import { fakeToken } from '@writ/api/testing';
import { CaseService, EchoRequestSchema, GetItemRequestSchema } from '@writ/proto/testing/v1/case';
import { startProcess, type ProjectProcess } from '@writ/testkit';
import { defineBench, quantile, type Measurement } from './bench.js';

const SECONDS = 3;
const authorization = fakeToken();

interface Prepared extends AsyncDisposable {
  http: URL;
  grpc: string;
  server: ProjectProcess;
}

export const bench = defineBench<Prepared>({
  name: 'api',
  about: 'the edges: gRPC and REST with admission, decoding and validation, a handler that does nothing',
  doesNotMeasure: [
    'the verification of a token that was not seen before',
    'TLS, the gateway in front, any network: loopback',
    'what the server could do alone on a core: the load generator shares the cores',
  ],
  async prepare() {
    const server = startProcess('e2e/bench/api-server.ts');
    const [, json] = await server.line(/^(\{.*\})$/);
    const { http, grpc } = JSON.parse(json as string) as { http: string; grpc: string };
    return { http: new URL(http), grpc, server, [Symbol.asyncDispose]: () => server.stop() };
  },
  async run(_conditions, prepared): Promise<Measurement[]> {
    const { http, grpc, server } = prepared;
    const item = { id: 'a', name: 'n', labels: { k: 'v' }, tags: ['t'] };
    const rest = (lines: string[], body = ''): Buffer =>
      Buffer.from(
        [...lines, 'host: bench', `authorization: ${authorization}`, `content-length: ${body.length}`, '', body].join(
          '\r\n',
        ),
      );
    const get = rest(['GET /v1/items/a HTTP/1.1']);
    const post = rest(['POST /v1/items HTTP/1.1', 'content-type: application/json'], JSON.stringify(item));
    const unary = await measured(server, () => grpcCalls(grpc, 64));
    const restGet = await measured(server, () => httpCalls(http, get, 32));
    const restPost = await measured(server, () => httpCalls(http, post, 32));
    const echo = await measured(server, () => echoed(grpc, 64));
    const ping = await echoed(grpc, 1);
    const alone = await grpcCalls(grpc, 1);
    return [
      { name: 'grpcUnaryPerSecond', value: unary.perSecond, unit: 'calls/s' },
      { name: 'grpcUnaryServerUs', value: unary.serverUs, unit: 'µs of CPU a call' },
      { name: 'grpcAloneP50Ms', value: quantile(alone.timesMs, 0.5), unit: 'ms' },
      { name: 'restGetPerSecond', value: restGet.perSecond, unit: 'requests/s' },
      { name: 'restGetServerUs', value: restGet.serverUs, unit: 'µs of CPU a request' },
      { name: 'restPostPerSecond', value: restPost.perSecond, unit: 'requests/s' },
      { name: 'restPostServerUs', value: restPost.serverUs, unit: 'µs of CPU a request' },
      { name: 'bidiFramesPerSecond', value: echo.perSecond, unit: 'frames/s' },
      { name: 'bidiServerUs', value: echo.serverUs, unit: 'µs of CPU a frame' },
      { name: 'bidiPingP50Ms', value: quantile(ping.timesMs, 0.5), unit: 'ms' },
    ];
  },
});

interface Load {
  count: number;
  /** Sorted; empty where they were not taken. */
  timesMs: number[];
}

/** Runs a load once to warm up and once to measure, with the CPU time of the server. */
async function measured(
  server: ProjectProcess,
  load: () => Promise<Load>,
): Promise<{ perSecond: number; serverUs: number }> {
  await load();
  const [before, begin] = [await cpuUs(server), performance.now()];
  const { count } = await load();
  const [after, end] = [await cpuUs(server), performance.now()];
  return { perSecond: (count * 1000) / (end - begin), serverUs: (after - before) / count };
}

let asked = 0;
async function cpuUs(server: ProjectProcess): Promise<number> {
  const question = `cpu${++asked}`;
  server.write(`${question}\n`);
  const [, micros] = await server.line(new RegExp(`^${question} (\\d+)$`));
  return Number(micros);
}

/** Unary calls over bare HTTP/2 streams, which cost the load generator less than a gRPC client. */
async function grpcCalls(url: string, inFlight: number): Promise<Load> {
  const message = toBinary(GetItemRequestSchema, create(GetItemRequestSchema, { id: 'a' }));
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const sessions = Array.from({ length: Math.min(4, inFlight) }, () => connectHttp2(url));
  const headers = {
    ':method': 'POST',
    ':path': '/writ.testing.v1.CaseService/GetItem',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization,
  };
  const timesMs: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  const one = (session: ClientHttp2Session) =>
    new Promise<void>((resolve, reject) => {
      const stream: ClientHttp2Stream = session.request(headers);
      stream.on(
        'trailers',
        ({ 'grpc-status': status }) => status !== '0' && reject(new Error(`grpc-status ${status}`)),
      );
      stream.on('error', reject).on('end', resolve).resume().end(frame);
    });
  await Promise.all(
    Array.from({ length: inFlight }, async (_, index) => {
      const session = sessions[index % sessions.length] as ClientHttp2Session;
      for (let begin = performance.now(); begin < end;) {
        await one(session);
        const now = performance.now();
        timesMs.push(now - begin);
        begin = now;
      }
    }),
  );
  for (const session of sessions) session.close();
  return { count: timesMs.length, timesMs: timesMs.sort((a, b) => a - b) };
}

/** One request at a time on each of some keep-alive connections; all answers have the length of the first. */
async function httpCalls(url: URL, request: Buffer, connections: number): Promise<Load> {
  let count = 0;
  const end = performance.now() + SECONDS * 1000;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connectTcp(Number(url.port), url.hostname);
      let [length, received] = [0, 0];
      socket.on('data', (chunk) => {
        if (length === 0) {
          if (!chunk.toString('latin1').startsWith('HTTP/1.1 200'))
            return socket.destroy(new Error(chunk.toString('latin1')));
          length = chunk.length;
        }
        received += chunk.length;
        if (received < length) return;
        received = 0;
        count++;
        if (performance.now() < end) socket.write(request);
        else socket.end();
      });
      socket.on('error', reject).on('close', () => resolve());
      socket.write(request);
    });
  await Promise.all(Array.from({ length: connections }, one));
  return { count, timesMs: [] };
}

/** One bidirectional stream of frames with ten items, so many in flight. */
async function echoed(url: string, inFlight: number): Promise<Load> {
  const channel = new GrpcChannel(url, { metadata: () => ({ authorization }) });
  const items = Array.from({ length: 10 }, (_, index) => ({ id: `item_${index}`, name: 'a name', grams: 12n }));
  const frame = create(EchoRequestSchema, { text: 'frame', items });
  const timesMs: number[] = [];
  const sent: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  let more: () => void = () => undefined;
  async function* frames() {
    while (performance.now() < end) {
      if (sent.length >= inFlight) await new Promise<void>((resolve) => (more = resolve));
      sent.push(performance.now());
      yield frame;
    }
  }
  for await (const _ of clientOf(CaseService, channel).echo(frames())) {
    timesMs.push(performance.now() - (sent.shift() ?? 0));
    more();
  }
  channel.close();
  return { count: timesMs.length, timesMs: timesMs.sort((a, b) => a - b) };
}
