import { expect, test } from '@jest/globals';
import { serviceOfGrpc, serviceOfPath } from './routes.js';

test.each([
  ['/v1/runs', 'scheduler'],
  ['/v1/runs/run_1:cancel', 'scheduler'],
  ['/v1/schedules/nightly:trigger', 'scheduler'],
  ['/v1/policies:check', 'policy'],
  ['/v1/approvals/apr_1:decide', 'policy'],
  ['/v1/tools:call', 'tools'],
  ['/v1/tool-servers/files', 'tools'],
  ['/v1/memory:search?scope=a', 'memory'],
  ['/v1/audit/events/evt_1/proof', 'audit'],
  ['/v1/agents/agt_1', 'identity'],
  ['/oauth/token', 'identity'],
  ['/.well-known/oauth-authorization-server/oauth', 'identity'],
  ['/mcp', 'tools'],
  ['/git/art_1.git/info/refs?service=git-upload-pack', 'sandbox-runner'],
  ['/v1/events', undefined],
  ['/v1/runsx', undefined],
  ['/', undefined],
  ['/health/live', undefined],
])('%s goes to %s', (path, service) => {
  expect(serviceOfPath(path)).toBe(service);
});

test('gRPC is routed by the name of the service', () => {
  expect(serviceOfGrpc('/writ.run.v1.RunService/StartRun')).toBe('scheduler');
  expect(serviceOfGrpc('/writ.event.v1.EventService/WatchEvents')).toBe('gateway');
  expect(serviceOfGrpc('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo')).toBeUndefined();
});
