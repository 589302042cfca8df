import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { refuse } from '@writ/ledger/domain';
import { CaseService, type EchoRequest } from '@writ/proto/testing/v1/case';
import { eventually, startProcess, verifies } from '@writ/testkit';
import { registerErrors } from '../errors/catalogue.js';
import { clientOf, GrpcChannel, type GrpcClient } from '../client/grpc-channel.js';
import { CaseApi, caseErrors } from '../testing/case-service.js';
import { fakeToken } from '../testing/fake-authenticator.js';
import { startTestApi, type TestApi } from '../testing/start-api.js';
import { GrpcProxy } from './proxy.js';

registerErrors(caseErrors);
let api: TestApi;
let proxy: GrpcProxy;
let service: CaseApi;
let channel: GrpcChannel;
let client: GrpcClient<typeof CaseService>;
let target: string;
/** Replicas that are thought to be up. */
let dead: readonly string[] = [];

beforeAll(async () => {
  service = new CaseApi();
  api = await startTestApi({ providers: [{ provide: CaseApi, useValue: service }] });
  target = `http://${api.grpcAddress}`;
  proxy = new GrpcProxy({
    targets(path) {
      if (path.startsWith('/writ.testing.v1.')) return [...dead, target];
      throw refuse('request.not_found', `nobody serves ${path}`);
    },
    admit(_path, headers) {
      if (headers.get('authorization') === undefined) throw refuse('auth.missing_token', 'no token at the door');
    },
    graceMs: 500,
  });
  const port = await proxy.listen();
  channel = new GrpcChannel(`http://127.0.0.1:${port}`, { metadata: () => ({ authorization: fakeToken() }) });
  client = clientOf(CaseService, channel);
});
afterAll(async () => {
  channel.close();
  await proxy.close();
  await api[Symbol.asyncDispose]();
});

const collect = async <T>(source: AsyncIterable<T>) => {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
};
async function* frames<T>(...all: T[]) {
  yield* all;
}

describe('the gRPC door', () => {
  test('all four kinds of calls pass', async () => {
    expect((await client.getItem({ id: 'a' })).item?.id).toBe('a');
    expect((await collect(client.count({ to: 1000n }))).length).toBe(1000);
    expect(await client.sum(frames({ number: 1n }, { number: 2n }))).toMatchObject({ sum: 3n });
    const echoed = await collect(client.echo(frames({ text: 'a' }, { text: 'b' })));
    expect(echoed.map((each) => each.text)).toEqual(['a', 'b']);
  });

  test('a refusal passes with its code and details, also after frames', async () => {
    await expect(client.getItem({ id: 'missing' })).rejects.toMatchObject({
      code: 'item.not_found',
      details: { id: 'missing' },
    });
    await expect(collect(client.count({ to: 3n, ending: 'refuse' }))).rejects.toMatchObject({ code: 'item.busy' });
  });

  test('a refusal right behind a frame passes, while the service still listens and the caller still talks', async () => {
    verifies('api.stream_refusals');
    class Listening extends CaseApi {
      override async *echo(requests: AsyncIterable<EchoRequest>) {
        const frames = requests[Symbol.asyncIterator]();
        await frames.next();
        void frames.next().catch(() => {});
        yield { text: 'hello', items: [] };
        throw refuse('item.busy', 'not any more');
      }
    }
    const other = await startTestApi({ providers: [{ provide: CaseApi, useValue: new Listening() }] });
    const before = target;
    target = `http://${other.grpcAddress}`;
    const talking = async function* () {
      yield { text: 'hello' };
      await new Promise(() => {});
    };
    const texts: string[] = [];
    const call = (async () => {
      for await (const { text } of client.echo(talking(), { timeoutMs: 5_000 })) texts.push(text);
    })();
    await expect(call).rejects.toMatchObject({ code: 'item.busy' });
    expect(texts).toEqual(['hello']);
    target = before;
    await other[Symbol.asyncDispose]();
  });

  test('what is not let in, and what leads nowhere, is refused at the door', async () => {
    const bare = new GrpcChannel(channel.client.getChannel().getTarget().replace('dns:', ''));
    await expect(clientOf(CaseService, bare).ping({})).rejects.toMatchObject({ code: 'auth.missing_token' });
    bare.close();
    const before = target;
    target = 'http://127.0.0.1:1';
    const unsent = { code: 'service.unavailable', details: { sent: 'false' } };
    await expect(client.ping({})).rejects.toMatchObject(unsent);
    await expect(collect(client.echo(frames({ text: 'a' })))).rejects.toMatchObject(unsent);
    target = before;
  });

  test('a replica that takes no connection is passed over, with all of what was sent', async () => {
    verifies('gateway.failover');
    dead = ['http://127.0.0.1:1', 'http://127.0.0.1:2'];
    expect((await client.ping({})).caller).toBe('anonymous');
    expect((await collect(client.echo(frames({ text: 'a' }, { text: 'b' })))).map(({ text }) => text)).toEqual([
      'a',
      'b',
    ]);
    dead = [];
  });

  test('cancellation and deadlines reach the service', async () => {
    verifies('api.frees_handler');
    for await (const _ of client.count({ to: 1n, ending: 'hang' })) break;
    await eventually(() => service.open === 0);
    await expect(collect(client.count({ to: 1n, ending: 'hang' }, { timeoutMs: 100 }))).rejects.toMatchObject({
      code: 'request.deadline_exceeded',
    });
    await eventually(() => service.open === 0);
  });

  test('a reader that stops reading stops the writer behind the door', async () => {
    verifies('api.backpressure');
    service.counted = 0;
    const slow = client.count({ to: 5_000_000n })[Symbol.asyncIterator]();
    await slow.next();
    let last = -1;
    await eventually(
      () => {
        const still = service.counted === last;
        last = service.counted;
        return still;
      },
      { everyMs: 200 },
    );
    expect(service.counted).toBeLessThan(2_500_000);
    // It does not hold up the other calls on the same connections.
    expect((await client.getItem({ id: 'a' }, { timeoutMs: 5000 })).item?.id).toBe('a');
    await slow.return?.();
    await eventually(() => service.open === 0);
  });

  test('many calls at once, and large messages, arrive whole', async () => {
    const ids = Array.from({ length: 500 }, (_, index) => `n${index}`);
    const answers = await Promise.all(ids.map((id) => client.getItem({ id })));
    expect(answers.map((each) => each.item?.id)).toEqual(ids);
    const picture = new Uint8Array(3 * 1024 * 1024).fill(7);
    expect((await client.createItem({ item: { id: 'a', picture } })).item?.picture.length).toBe(picture.length);
  });

  test('a service that dies in the middle of a stream is told as unavailable, and comes back', async () => {
    const other = await startTestApi({ providers: [CaseApi] });
    const before = target;
    target = `http://${other.grpcAddress}`;
    const stream = client.count({ to: 1n, ending: 'hang' })[Symbol.asyncIterator]();
    await stream.next();
    await other[Symbol.asyncDispose]();
    await expect(stream.next()).rejects.toMatchObject({ code: 'service.draining' });
    target = before;
    expect((await client.ping({})).caller).toBe('anonymous');
  });

  test.each([
    ['with nothing on its way', {}],
    ['with something unread', { DEAF: '1' }],
  ])('a service that is killed (%s) is told as unavailable to who only listens', async (_name, env) => {
    verifies('api.door_tells_cut');
    await using killed = startProcess('libs/api/src/testing/talking-server.program.ts', { env });
    const [, port] = await killed.line(/^port (\d+)$/);
    target = `http://127.0.0.1:${port}`;
    const talking = async function* () {
      yield { text: 'hello'.repeat(1_000) };
      await new Promise(() => {});
    };
    const answers = client.echo(talking(), { timeoutMs: 10_000 })[Symbol.asyncIterator]();
    expect(await answers.next()).toMatchObject({ done: false });
    await killed.kill();
    await expect(answers.next()).rejects.toMatchObject({ code: 'service.unavailable' });
    target = `http://${api.grpcAddress}`;
  });

  test('a closing door sends streams elsewhere at once and lets the other calls finish', async () => {
    const door = new GrpcProxy({ targets: () => [target], streams: (path) => path.endsWith('/Count'), graceMs: 5000 });
    const other = new GrpcChannel(`http://127.0.0.1:${await door.listen()}`, {
      metadata: () => ({ authorization: fakeToken() }),
    });
    const through = clientOf(CaseService, other);
    const stream = through.count({ to: 1n, ending: 'hang' })[Symbol.asyncIterator]();
    await stream.next();
    const slow = new AbortController();
    const before = service.calls;
    const unary = through.stopItem({ id: 'a', reason: 'wait' }, { signal: slow.signal });
    await eventually(() => service.calls > before);
    const closing = door.close();
    await expect(stream.next()).rejects.toMatchObject({ code: 'service.draining' });
    await eventually(() => service.open === 0);
    slow.abort();
    await expect(unary).rejects.toMatchObject({ code: 'request.cancelled' });
    await closing;
    other.close();
  });
});
