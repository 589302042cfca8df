import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, compressionAlgorithms, credentials, Metadata, status as Code, type ServiceError } from '@grpc/grpc-js';
import { CaseService } from '@writ/proto/testing/v1/case';
import { registerErrors } from '../errors/catalogue.js';
import { fromGrpcStatus } from '../errors/grpc-status.js';
import { clientOf, GrpcChannel, type GrpcClient } from '../client/grpc-channel.js';
import { CaseApi, caseErrors } from '../testing/case-service.js';
import { fakeToken } from '../testing/fake-authenticator.js';
import { startTestApi, type TestApi } from '../testing/start-api.js';
import { eventually, verifies } from '@writ/testkit';

registerErrors(caseErrors);
let api: TestApi;
let service: CaseApi;
let channel: GrpcChannel;
let client: GrpcClient<typeof CaseService>;
const logged: object[] = [];

beforeAll(async () => {
  service = new CaseApi();
  const log = { error: (fields: object) => logged.push(fields), warn: () => undefined };
  api = await startTestApi({ providers: [{ provide: CaseApi, useValue: service }], log, grpc: { graceMs: 500 } });
  channel = new GrpcChannel(api.grpcAddress, { metadata: () => ({ authorization: fakeToken() }) });
  client = clientOf(CaseService, channel);
});
afterAll(async () => {
  channel.close();
  await api[Symbol.asyncDispose]();
});

async function* frames<T>(...all: T[]) {
  yield* all;
}
const collect = async <T>(source: AsyncIterable<T>) => {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
};
const endless = async function* () {
  yield { number: 1n };
  await new Promise(() => undefined);
};

/** A unary call of raw bytes: its status as the wire carries it. */
function raw(
  method: string,
  bytes: Buffer,
  headers: Record<string, string>,
  by: Client = channel.client,
): Promise<ServiceError | null> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const same = (each: Buffer) => each;
  return new Promise((resolve) => by.makeUnaryRequest(method, same, same, bytes, metadata, (error) => resolve(error)));
}
const getItem = '/writ.testing.v1.CaseService/GetItem';
const authorization = fakeToken();

describe('unary calls', () => {
  test('an answer carries the request id that the caller sent', async () => {
    const metadata = new Metadata();
    metadata.set('authorization', authorization);
    metadata.set('x-request-id', 'req_mine');
    const seen = new Promise<Metadata>((resolve) => {
      const same = (each: Buffer) => each;
      channel.client
        .makeUnaryRequest(getItem, same, same, Buffer.alloc(0), metadata, () => undefined)
        .on('metadata', resolve);
    });
    expect((await seen).get('x-request-id')).toEqual(['req_mine']);
    expect((await client.getItem({ id: 'a' })).item?.id).toBe('a');
  });

  test('a refusal keeps its code and details', async () => {
    verifies('api.one_refusal');
    await expect(client.getItem({ id: 'missing' })).rejects.toMatchObject({
      code: 'item.not_found',
      message: 'there is no item missing',
      details: { id: 'missing' },
    });
    await expect(client.stopItem({ id: '', reason: 'x'.repeat(21) })).rejects.toMatchObject({
      code: 'request.invalid',
    });
    expect((await raw(getItem, Buffer.from('0a076d697373696e67', 'hex'), { authorization }))?.code).toBe(
      Code.NOT_FOUND,
    );
  });

  test.each(['bug', 'unknown_code'])('an unexpected error (%s) is logged, and its text stays inside', async (id) => {
    logged.length = 0;
    await expect(client.getItem({ id })).rejects.toMatchObject({
      code: 'internal.error',
      message: expect.not.stringContaining('secret'),
    });
    expect(logged).toHaveLength(1);
  });

  test('malformed bytes are refused after the caller was admitted, and not looked at before', async () => {
    verifies('api.admitted_first', 'api.strict');
    const broken = Buffer.from([0x0a, 0xff]);
    expect((await raw(getItem, broken, {}))?.code).toBe(Code.UNAUTHENTICATED);
    expect((await raw(getItem, broken, { authorization: fakeToken({ grant: ['item.write'] }) }))?.code).toBe(
      Code.PERMISSION_DENIED,
    );
    const error = await raw(getItem, broken, { authorization });
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT, details: expect.stringContaining('GetItemRequest') });
  });

  test('U+0000 in a text and values that nest deep are refused, in a frame of a stream too', async () => {
    verifies('api.unfit_text');
    const violation = { code: 'request.invalid', message: expect.stringContaining('U+0000') };
    await expect(client.getItem({ id: 'a\u0000' })).rejects.toMatchObject(violation);
    await expect(collect(client.echo(frames({ text: 'fine' }, { text: '\u0000' })))).rejects.toMatchObject(violation);
    const picture = new Uint8Array(8);
    expect((await client.createItem({ item: { id: 'a', picture } })).item?.picture).toEqual(picture);
    const deep = JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`) as never;
    await expect(client.createItem({ item: { id: 'a', extra: { deep } } })).rejects.toMatchObject({
      code: 'request.malformed',
    });
  });

  test('a message above the limit is refused in our words, in a stream too, and compressed', async () => {
    verifies('api.one_refusal');
    const refusal = {
      code: 'request.too_large',
      message: expect.stringMatching(/larger than 4194304 bytes/),
      details: { most: '4194304' }, // only a status of ours has details
    };
    const large = 'x'.repeat(5 * 1024 * 1024);
    await expect(client.createItem({ item: { id: large } })).rejects.toMatchObject(refusal);
    await expect(collect(client.echo(frames({ text: 'fine' }, { text: large })))).rejects.toMatchObject(refusal);
    const gzip = { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip };
    const squeezing = new Client(api.grpcAddress, credentials.createInsecure(), gzip);
    expect(fromGrpcStatus((await raw(getItem, Buffer.from(large), { authorization }, squeezing)) ?? {})).toMatchObject(
      refusal,
    );
    squeezing.close();
    expect((await client.getItem({ id: 'a' })).item?.id).toBe('a');
  });

  test('every method refuses a caller without its capability, and none is reached', async () => {
    verifies('api.capability_of_every_method');
    const poor = new GrpcChannel(api.grpcAddress, {
      metadata: () => ({ authorization: fakeToken({ grant: ['other.thing'] }) }),
    });
    const other = clientOf(CaseService, poor);
    const before = service.calls;
    const calls: Promise<unknown>[] = [
      other.getItem({}),
      other.listItems({}),
      other.createItem({}),
      other.updateItem({}),
      other.stopItem({}),
      collect(other.count({})),
      other.sum(frames()),
      collect(other.echo(frames({ text: 'a' }))),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'auth.missing_capability' });
    expect((await other.ping({})).caller).toBe('anonymous');
    expect((await other.me({})).caller).toBe('agt_test');
    const bare = new GrpcChannel(api.grpcAddress);
    await expect(clientOf(CaseService, bare).me({})).rejects.toMatchObject({ code: 'auth.missing_token' });
    bare.close();
    expect(service.calls).toBe(before);
    poor.close();
  });

  test('a deadline frees the handler', async () => {
    await expect(client.stopItem({ id: 'a', reason: 'wait' }, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'request.deadline_exceeded',
    });
  });
});

test('the signal of a call that went well is never aborted', async () => {
  await client.stopItem({ id: 'a' });
  await collect(client.echo(frames({ text: 'a' })));
  await collect(client.count({ to: 1n }));
  await client.sum(frames({ number: 1n }));
  // A later call on the same connection: by now the ends of the earlier ones were told.
  await client.ping({});
  expect(service.signals.slice(-5).map((each) => each.aborted)).toEqual([false, false, false, false, false]);
});

describe('streams', () => {
  test('a server stream ends normally, with a refusal, or with a bug', async () => {
    expect((await collect(client.count({ to: 3n }))).map((each) => each.number)).toEqual([1n, 2n, 3n]);
    await expect(collect(client.count({ to: 1n, ending: 'refuse' }))).rejects.toMatchObject({ code: 'item.busy' });
    await expect(collect(client.count({ to: 1n, ending: 'break' }))).rejects.toMatchObject({ code: 'internal.error' });
    expect(service.open).toBe(0);
  });

  test('cancel, deadline, an early leave and a killed client each free the handler', async () => {
    verifies('api.frees_handler');
    const controller = new AbortController();
    const cancelled = collect(client.count({ to: 1n, ending: 'hang' }, { signal: controller.signal }));
    await eventually(() => service.open === 1);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'request.cancelled' });
    await eventually(() => service.open === 0);

    await expect(collect(client.count({ to: 1n, ending: 'hang' }, { timeoutMs: 50 }))).rejects.toMatchObject({
      code: 'request.deadline_exceeded',
    });
    await eventually(() => service.open === 0);

    for await (const _ of client.count({ to: 1n, ending: 'hang' })) break;
    await eventually(() => service.open === 0);

    const doomed = new Client(api.grpcAddress, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('authorization', authorization);
    const same = (each: Buffer) => each;
    const call = doomed.makeBidiStreamRequest('/writ.testing.v1.CaseService/Echo', same, same, metadata);
    call.on('error', () => undefined);
    call.write(Buffer.alloc(0));
    await eventually(() => service.open === 1);
    doomed.close();
    call.cancel();
    await eventually(() => service.open === 0);
  });

  test('a client stream adds up, may be answered early, and may be refused', async () => {
    expect(await client.sum(frames({ number: 1n }, { number: 2n }))).toMatchObject({ sum: 3n, frames: 2n });
    const early = (async function* () {
      yield { number: 99n };
      yield* endless();
    })();
    expect(await client.sum(early)).toMatchObject({ sum: 99n });
    await expect(client.sum(frames({ number: 13n }))).rejects.toMatchObject({ code: 'item.busy' });
    await expect(client.sum(frames({ number: 1n }, { number: -1n }))).rejects.toMatchObject({
      code: 'request.invalid',
    });
    await expect(client.sum(endless(), { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'request.deadline_exceeded',
    });
    await eventually(() => service.open === 0);
  });

  test('a bidirectional stream echoes, ends early, and survives a refusal', async () => {
    const answers = await collect(client.echo(frames({ text: 'a' }, { text: 'b' })));
    expect(answers.map((each) => each.text)).toEqual(['a', 'b']);
    const early = await collect(client.echo(frames({ text: 'a' }, { text: 'stop' }, { text: 'b' })));
    expect(early.map((each) => each.text)).toEqual(['a']);
    await expect(collect(client.echo(frames({ text: 'refuse' })))).rejects.toMatchObject({ code: 'item.busy' });
    await expect(collect(client.echo(frames({ text: 'x'.repeat(101) })))).rejects.toMatchObject({
      code: 'request.invalid',
    });
    await eventually(() => service.open === 0);
    expect((await client.getItem({ id: 'alive' })).item?.id).toBe('alive');
  });

  test('a reader that stops reading stops the writer', async () => {
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
    expect(service.counted).toBeLessThan(1_500_000);
    await slow.return?.();
    await eventually(() => service.open === 0);
  });
});
