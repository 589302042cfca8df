import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import { Installation } from './testing/installation.js';

const filesystem = path.join(projectRoot, 'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js');

let all: Installation;
const stdio = () => ({ stdio: { argv: [process.execPath, filesystem, all.folder] } });
const file = (name: string): string => path.join(all.folder, name);
const code = ({ status, body }: { status: number; body: Record<string, unknown> }) =>
  `${status} ${String(body['code'])}`;

beforeAll(async () => {
  all = await Installation.start();
}, 120_000);
afterAll(() => all[Symbol.asyncDispose]());

describe('a real server over stdio (@modelcontextprotocol/server-filesystem)', () => {
  test('is in quarantine until a person approves what it offers, and then called through the whole pipeline', async () => {
    verifies('tools.quarantine');
    const added = await all.call('POST', '/v1/tool-servers', { name: 'files', spec: stdio() });
    expect(added).toMatchObject({ status: 200, body: { server: { name: 'files', state: 'connected' } } });
    const tools = added.body['tools'] as { name: string; state: string; hash: string }[];
    expect(tools.map(({ name }) => name)).toContain('files/write_file');
    expect(new Set(tools.map(({ state }) => state))).toEqual(new Set(['new']));
    await all.push(
      `@id("reports") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write_file")
         when { context.arguments.path like "${all.folder}/out*" };`,
    );
    const input = { path: file('out.md'), content: 'hello' };
    expect(code(await all.callTool('files/write_file', input))).toBe('403 tools.quarantined');
    const { hash = '' } = tools.find(({ name }) => name === 'files/write_file') ?? {};
    const approved = await all.call('POST', '/v1/tools:approve', { name: 'files/write_file', hash });
    expect(approved.status).toBe(200);
    const done = await eventually(async () => {
      const answer = await all.callTool('files/write_file', input);
      return answer.status === 200 && answer.body['outcome'] === 'done' && answer;
    });
    expect(done.body).toMatchObject({ outcome: 'done', isError: false, decision: { outcome: 'allow' } });
    expect(await readFile(file('out.md'), 'utf8')).toBe('hello');
  });
});
