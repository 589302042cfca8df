import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import { Installation, type Answer } from '../testing/installation.js';

const server = '/app/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js';
const modules = path.join(projectRoot, 'node_modules');
const spec = {
  stdio: {
    argv: ['node', server, '/reports'],
    mounts: [
      { source: modules, target: '/app/node_modules', writable: false },
      { source: 'volume:reports', target: '/reports', writable: true },
    ],
  },
};

let all: Installation;
const write = (name: string, content: string): Promise<Answer> =>
  all.callTool('files/write_file', { path: `/reports/${name}`, content });
const read = async (name: string): Promise<unknown> =>
  (await all.callTool('files/read_text_file', { path: `/reports/${name}` })).body['structuredContent'];

beforeAll(async () => {
  all = await Installation.start({}, { sandboxes: { mounts: modules } });
  await all.push(
    `@id("files") permit(principal, action == Writ::Action::"tool.call", resource in Writ::Server::"files");`,
  );
}, 120_000);
afterAll(() => all[Symbol.asyncDispose]());

test('a server over stdio runs in a sandbox that sees the folders of its specification and nothing else', async () => {
  verifies('tools.stdio_sandbox');
  const names = await all.connect('files', spec);
  expect(names).toContain('files/write_file');
  expect((await write('a.md', 'hello')).body).toMatchObject({ outcome: 'done', isError: false });
  expect(await read('a.md')).toEqual({ content: 'hello' });
  const outside = await all.callTool('files/read_text_file', { path: '/etc/shadow' });
  expect(outside.body).toMatchObject({ outcome: 'done', isError: true });
});

test('a gateway that starts again meets the server anew, on the same volume', async () => {
  await all.restart();
  expect(await read('a.md')).toEqual({ content: 'hello' });
});

test('a gateway that was killed does not keep the volume from the next one', async () => {
  verifies('tools.stdio_leftovers');
  const mounts = [{ source: 'volume:left', target: '/left', writable: true }];
  const left = { kind: 'stdio', argv: ['node'], env: {}, mounts } as const;
  const address = { tenant: 'tnt_1', server: 'left', spec: { ...left, argv: [...left.argv], mounts: [...mounts] } };
  await all.stdio.start(address);
  const next = await all.stdio.start(address);
  await next.release();
});

test('a sandbox runner that is killed costs a new sandbox, not the server', async () => {
  verifies('tools.reconnect');
  await all.runAgain(modules);
  const again = await eventually(async () => {
    const content = await read('a.md');
    return content !== undefined && content;
  });
  expect(again).toEqual({ content: 'hello' });
});

test('a mount that the operator does not allow is refused with the reason', async () => {
  const mounts = [{ source: '/etc', target: '/host', writable: false }];
  const answer = await all.call('POST', '/v1/tool-servers', {
    name: 'host',
    spec: { stdio: { argv: ['node'], mounts } },
  });
  expect(answer).toMatchObject({ status: 502, body: { code: 'tools.upstream_failed' } });
  expect(answer.body['detail']).toContain('WRIT_SANDBOX_MOUNTS');
});

test('a removed server leaves no sandbox behind', async () => {
  await all.call('DELETE', '/v1/tool-servers/files');
  await eventually(
    async () => {
      const [started, stopped] = [new Set<string>(), new Set<string>()];
      for await (const { events } of all.ledger.read('sandbox-runner', 0))
        for (const { type, subject } of events) {
          if (type === 'sandbox.started.v1') started.add(subject);
          if (type === 'sandbox.stopped.v1') stopped.add(subject); // one that could not start has stopped, too
        }
      return started.size > 0 && [...started].every((sandbox) => stopped.has(sandbox));
    },
    { what: 'every sandbox that started has stopped' },
  );
});
