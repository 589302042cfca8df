import { expect, test } from '@jest/globals';
import type { ActingCaller } from '@writ/enforcement';
import { refuse } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import type { ToolDefinition } from '../server/server.events.js';
import { ToolCalls, type ToolCallsParts } from './tool-calls.js';

const definition: ToolDefinition = {
  name: 'write',
  description: 'writes',
  inputSchema: { type: 'object' },
  hash: 'sha256:1',
};
const row = { server: 'files', name: 'write', spec: { kind: 'http', url: 'http://h.test' }, seen: definition, approved: definition }; // prettier-ignore
const caller = { tenant: 'tnt_1', grant: [{ type: 'writ', actions: ['tool.call'] }] } as unknown as ActingCaller;

test('a server that cannot be started now is a failure that may be mended by a repeat, also of what writes', async () => {
  verifies('tools.not_reached');
  const perform = (_request: unknown, act: (context: { signal: AbortSignal }) => Promise<unknown>) =>
    act({ signal: new AbortController().signal });
  const calls = new ToolCalls({
    tools: { tool: () => Promise.resolve(row as never) },
    connections: { get: () => Promise.reject(refuse('service.unavailable', 'no runner')) },
    enforcement: { perform } as unknown as ToolCallsParts['enforcement'],
    blobs: {} as ToolCallsParts['blobs'],
  });
  await expect(calls.call(caller, { tool: 'files/write', input: {} })).rejects.toMatchObject({
    code: 'tools.upstream_failed',
    message: 'files could not be started: no runner',
  });
});
