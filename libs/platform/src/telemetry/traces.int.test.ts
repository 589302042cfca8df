import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { eventually } from '@writ/testkit';
import { Metrics } from './metrics.js';
import { callObserver, openTraces } from './traces.js';

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const call = { method: 'writ.run.v1.RunService.GetRun', transport: 'grpc' as const };

test('a call becomes a span under the caller’s trace, exported to a collector', async () => {
  const received: { url: string; body: string }[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      received.push({ url: request.url ?? '', body });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const traces = await openTraces('scheduler', `http://127.0.0.1:${(collector.address() as AddressInfo).port}`);
  const observed = callObserver(new Metrics('scheduler'), traces.tracer).begin({ ...call, traceparent: parent });
  expect(observed.trace).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
  observed.end('run.not_found');
  await traces[Symbol.asyncDispose]();
  await eventually(() => received.length > 0);
  expect(received[0]?.url).toBe('/v1/traces');
  for (const part of [
    'writ-scheduler',
    'RunService.GetRun',
    '0af7651916cd43dd8448eb211c80319c',
    'b7ad6b7169203331',
    'run.not_found',
  ])
    expect(received[0]?.body).toContain(part);
  await new Promise((resolve) => collector.close(resolve));
});

test('without a collector the trace goes on all the same, and calls are counted', async () => {
  const metrics = new Metrics('scheduler');
  const traces = await openTraces('scheduler', undefined);
  const observer = callObserver(metrics, traces.tracer);
  expect(observer.begin({ ...call, traceparent: parent }).trace).toMatch(
    /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/,
  );
  const fresh = observer.begin(call);
  expect(fresh.trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  fresh.end('ok');
  expect((await metrics.text()).body).toMatch(/^writ_api_call_duration_seconds_count\{.*code="ok".*\} 1$/m);
});
