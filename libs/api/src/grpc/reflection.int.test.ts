import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '@writ/proto/grpc/health/v1/health';
import { ServerReflection } from '@writ/proto/grpc/reflection/v1/reflection';
import { projectRoot } from '@writ/testkit';
import { clientOf, GrpcChannel } from '../client/grpc-channel.js';
import { CaseApi } from '../testing/case-service.js';
import { fakeToken } from '../testing/fake-authenticator.js';
import { startTestApi, type TestApi } from '../testing/start-api.js';

let api: TestApi;
let channel: GrpcChannel;
beforeAll(async () => {
  api = await startTestApi({ providers: [CaseApi] });
  channel = new GrpcChannel(api.grpcAddress);
});
afterAll(async () => {
  channel.close();
  await api[Symbol.asyncDispose]();
});

/** A client that knows nothing but the address: it asks reflection for everything else. */
async function bufCurl(method: string, ...args: string[]): Promise<string> {
  const buf = path.join(projectRoot, 'node_modules/.bin/buf');
  const url = `http://${api.grpcAddress}${method}`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    buf,
    'curl',
    '--protocol',
    'grpc',
    '--http2-prior-knowledge',
    ...args,
    url,
  ]);
  return stdout;
}

describe('reflection', () => {
  test('is enough for a client without the .proto files', async () => {
    expect(await bufCurl('', '--list-methods')).toContain('writ.testing.v1.CaseService/StopItem');
    const answer = await bufCurl(
      '/writ.testing.v1.CaseService/GetItem',
      '-d',
      '{"id":"a"}',
      '-H',
      `authorization: ${fakeToken()}`,
    );
    expect(JSON.parse(answer)).toEqual({ item: { id: 'a' } });
  });

  test('answers for symbols, files and extensions, and says what it does not know', async () => {
    const ask = async function* () {
      yield { messageRequest: { case: 'fileContainingSymbol', value: 'writ.testing.v1.CaseService.GetItem' } } as const;
      yield {
        messageRequest: { case: 'fileContainingSymbol', value: 'writ.testing.v1.ListItemsRequest.Filter' },
      } as const;
      yield { messageRequest: { case: 'fileByFilename', value: 'buf/validate/validate.proto' } } as const;
      yield {
        messageRequest: {
          case: 'fileContainingExtension',
          value: { containingType: 'google.protobuf.MethodOptions', extensionNumber: 50300 },
        },
      } as const;
      yield { messageRequest: { case: 'allExtensionNumbersOfType', value: 'google.protobuf.MethodOptions' } } as const;
      yield { messageRequest: { case: 'fileContainingSymbol', value: 'no.such.Thing' } } as const;
    };
    const answers = [];
    for await (const { messageResponse } of clientOf(ServerReflection, channel).serverReflectionInfo(ask()))
      answers.push(messageResponse);
    expect(answers.map((each) => each.case)).toEqual([
      'fileDescriptorResponse',
      'fileDescriptorResponse',
      'fileDescriptorResponse',
      'fileDescriptorResponse',
      'allExtensionNumbersResponse',
      'errorResponse',
    ]);
    expect(answers[4]?.value).toMatchObject({ extensionNumber: expect.arrayContaining([50300, 50301, 72295728]) });
  });
});

test('health says that it serves, and of a stranger that it is unknown', async () => {
  const health = clientOf(Health, channel);
  expect((await health.check({})).status).toBe(Serving.SERVING);
  expect((await health.check({ service: 'writ.testing.v1.CaseService' })).status).toBe(Serving.SERVING);
  await expect(health.check({ service: 'no.such.Service' })).rejects.toMatchObject({ code: 'request.not_found' });
  for await (const { status } of health.watch({ service: 'no.such.Service' })) {
    expect(status).toBe(Serving.SERVICE_UNKNOWN);
    break;
  }
});
