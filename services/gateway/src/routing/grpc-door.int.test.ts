import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clientOf, GrpcChannel } from '@writ/api';
import { fakeToken, startTestApi, type TestApi } from '@writ/api/testing';
import { AuditService } from '@writ/proto/audit/v1/audit';
import { EventService } from '@writ/proto/event/v1/event';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '@writ/proto/grpc/health/v1/health';
import { ServerReflection } from '@writ/proto/grpc/reflection/v1/reflection';
import { MemoryService } from '@writ/proto/memory/v1/memory';
import { eventually, verifies } from '@writ/testkit';
import { Installation } from '../testing/installation.js';
import { StubMemory } from '../testing/stub-memory.js';
import { implementedBy } from './routes.js';

let installation: Installation;
let memory: TestApi;
let channel: GrpcChannel;
beforeAll(async () => {
  installation = await Installation.start();
  memory = await startTestApi({ providers: [StubMemory] });
  await installation.announce('memory', { httpUrl: memory.httpUrl, grpcUrl: `http://${memory.grpcAddress}` });
  channel = new GrpcChannel(installation.gateway.grpcUrl);
});
afterAll(async () => {
  channel.close();
  await memory[Symbol.asyncDispose]();
  await installation[Symbol.asyncDispose]();
});

describe('the gRPC door', () => {
  test('a call goes to whoever implements its service, with its metadata, and a refusal comes back', async () => {
    verifies('gateway.grpc_routing');
    const metadata = { authorization: fakeToken() };
    const client = clientOf(MemoryService, channel);
    expect(await client.remember({ scope: 's', text: 't' }, { metadata })).toMatchObject({ id: 'mem_s' });
    await expect(client.remember({ scope: 's', text: 't' })).rejects.toMatchObject({ code: 'auth.missing_token' });
    await expect(client.forget({ id: 'x' }, { metadata })).rejects.toMatchObject({ code: 'request.not_found' });
  });

  test('a service of which no replica is up is refused by name, and may be tried again', async () => {
    await expect(clientOf(AuditService, channel).getCheckpoint({})).rejects.toMatchObject({
      code: 'gateway.no_service',
      details: { service: 'audit' },
    });
  });

  test('the gateway checks the token of what it serves itself', async () => {
    const stream = clientOf(EventService, channel).watchEvents({});
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'auth.missing_token' });
    const bare = { authorization: await installation.authorization({ authorization_details: [] }) };
    const without = clientOf(EventService, channel).watchEvents({}, { metadata: bare });
    await expect(without[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'auth.missing_capability' });
  });

  test('reflection tells of every service of the contract, whoever implements it, with its files', async () => {
    async function* ask() {
      yield { messageRequest: { case: 'listServices', value: '' } } as const;
      for (const [service] of implementedBy)
        yield { messageRequest: { case: 'fileContainingSymbol', value: service.typeName } } as const;
    }
    const answers = [];
    for await (const { messageResponse } of clientOf(ServerReflection, channel).serverReflectionInfo(ask()))
      answers.push(messageResponse);
    const [list, ...files] = answers;
    const names = list?.case === 'listServicesResponse' ? list.value.service.map(({ name }) => name) : [];
    expect(names).toEqual(expect.arrayContaining(implementedBy.map(([service]) => service.typeName)));
    expect(files.map((each) => each.case)).toEqual(implementedBy.map(() => 'fileDescriptorResponse'));
  });

  test('health is that of the door', async () => {
    expect((await clientOf(Health, channel).check({})).status).toBe(Serving.SERVING);
    installation.identity.silence();
    await eventually(async () => (await clientOf(Health, channel).check({})).status === Serving.NOT_SERVING);
    installation.identity.beat();
    await eventually(async () => (await clientOf(Health, channel).check({})).status === Serving.SERVING);
  });
});
