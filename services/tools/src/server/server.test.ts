import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { decide, evolve, stateOf, type Server } from './server.js';
import type { ServerEvent, ToolDefinition } from './server.events.js';

const spec = { kind: 'http', url: 'http://127.0.0.1:1/mcp' } as const;
const definition = (name: string, hash: string): ToolDefinition => ({ name, description: '', inputSchema: {}, hash });
const given = (...events: ServerEvent[]) => events.reduce(evolve, { status: 'none' } as Server);
const added: ServerEvent = { type: 'server.added.v1', data: { spec } };
const seen = (name: string, hash: string): ServerEvent => ({
  type: 'tool.discovered.v1',
  data: { definition: definition(name, hash) },
});
const approved = (name: string, hash: string): ServerEvent => ({
  type: 'tool.approved.v1',
  data: { definition: definition(name, hash), by: 'psn_1' },
});
const tool = (server: Server, name: string) => {
  if (server.status !== 'added') throw new Error(server.status);
  return server.tools[name] as NonNullable<(typeof server.tools)[string]>;
};

test('adding the same server again changes nothing, in another way is refused', () => {
  expect(decide({ type: 'add', spec }, given(added), 'files')).toEqual([]);
  expect(() => decide({ type: 'add', spec: { ...spec, url: 'http://x' } }, given(added), 'files')).toThrow(
    'remove it first',
  );
});

test('no server takes the name that stands for workers', () => {
  expect(() => decide({ type: 'add', spec }, given(), 'worker')).toThrow('kept for the tools of workers');
});

test('a tool that was never approved is in quarantine', () => {
  expect(stateOf(tool(given(added, seen('read', 'sha256:a')), 'read'))).toBe('new');
});

test('an approved tool whose definition changes goes back into quarantine, and the approved copy stays', () => {
  const server = given(added, seen('read', 'sha256:a'), approved('read', 'sha256:a'), seen('read', 'sha256:b'));
  expect(stateOf(tool(server, 'read'))).toBe('changed');
  expect(tool(server, 'read').approved?.hash).toBe('sha256:a');
});

test('what was approved is exactly what was looked at', () => {
  const server = given(added, seen('read', 'sha256:b'));
  expect(() => decide({ type: 'approve', tool: 'read', hash: 'sha256:a', by: 'psn_1' }, server, 'files')).toThrow(
    'look at it again',
  );
  expect(decide({ type: 'approve', tool: 'read', hash: 'sha256:b', by: 'psn_1' }, server, 'files')).toEqual([
    approved('read', 'sha256:b'),
  ]);
});

test('a tool that no policy could name is not approved', () => {
  const server = given(added, seen('two words', 'sha256:a'));
  expect(() => decide({ type: 'approve', tool: 'two words', hash: 'sha256:a', by: 'psn_1' }, server, 'files')).toThrow(
    'is not a name',
  );
});

test('a discovery writes only what is different', () => {
  const server = given(added, seen('read', 'sha256:a'), seen('write', 'sha256:w'));
  expect(
    decide(
      { type: 'discover', tools: [definition('read', 'sha256:a'), definition('list', 'sha256:l')] },
      server,
      'files',
    ),
  ).toEqual([seen('list', 'sha256:l'), { type: 'tool.vanished.v1', data: { tool: 'write' } }]);
});

test('a tool that comes back as it was approved is approved', () => {
  const vanished: ServerEvent = { type: 'tool.vanished.v1', data: { tool: 'read' } };
  const server = given(added, seen('read', 'sha256:a'), approved('read', 'sha256:a'), vanished);
  expect(stateOf(tool(server, 'read'))).toBe('gone');
  expect(stateOf(tool(evolve(server, seen('read', 'sha256:a')), 'read'))).toBe('approved');
});

test('two tools of one name are refused: one could stand in for the other', () => {
  expect(() =>
    decide({ type: 'discover', tools: [definition('a', '1'), definition('a', '2')] }, given(added), 'files'),
  ).toThrow('same name');
});

test("a worker's tools are approved by whoever registers them, once", () => {
  const command = { type: 'register', tools: [definition('refund', 'sha256:r')], by: 'agt_1' } as const;
  const first = decide(command, { status: 'none' }, 'worker');
  expect(first.map((event) => event.type)).toEqual(['server.added.v1', 'tool.discovered.v1', 'tool.approved.v1']);
  expect(decide(command, given(...first), 'worker')).toEqual([]);
});

test('a tool may have any name, also one that every object has', () => {
  expect(() => decide({ type: 'approve', tool: 'constructor', hash: 'x', by: 'psn_1' }, given(added), 'files')).toThrow(
    'offers no tool',
  );
});

test('a server that is removed names the tools whose types nobody needs any more', () => {
  verifies('tools.removed_types');
  const definition = { name: 'a', description: 'a', inputSchema: {}, hash: 'sha256:1' };
  const spec = { kind: 'http' as const, url: 'http://x' };
  const tools = { a: { seen: definition, approved: definition }, b: { seen: definition, approved: undefined } };
  expect(decide({ type: 'remove' }, { status: 'added', spec, tools }, 'x')).toEqual([
    { type: 'server.removed.v1', data: { tools: ['a'] } },
  ]);
});
