import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, startProcess, verifies } from '@writ/testkit';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Installation } from './testing/installation.js';

let all: Installation;
let source: string;
let commit: string;

const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', '-C', source, ...args])
    .toString()
    .trim();
const types = async (subject: string): Promise<string[]> => (await all.events(subject)).map(({ type }) => type);
const person = { sub: 'psn_1', kind: 'person' } as const;

beforeAll(async () => {
  all = await Installation.start({ WRIT_ARTIFACT_SOURCES: '/tmp', WRIT_SANDBOX_MOUNTS: '/usr/share' });
  source = path.join(all.folder, 'code');
  fs.mkdirSync(source);
  git('init', '-q', '-b', 'main');
  fs.writeFileSync(path.join(source, 'readme.md'), 'hello\n');
  fs.writeFileSync(path.join(source, 'run.sh'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
  git('add', '-A');
  git('commit', '-qm', 'first');
  commit = git('rev-parse', 'HEAD');
}, 60_000);
afterAll(() => all?.[Symbol.asyncDispose]());
beforeEach(() => all.allow('permit(principal, action, resource);'));

async function imported(): Promise<string> {
  const artifacts = await all.artifacts(person);
  const { artifact } = await artifacts.importArtifact({ source });
  return artifact?.id ?? '';
}

describe('a sandbox', () => {
  test('starts from an artifact at its commit, with its history, and changes nothing of it', async () => {
    verifies('sandbox.artifact');
    const id = await imported();
    const sandboxes = await all.sandboxes();
    const { sandbox, position } = await sandboxes.createSandbox({ name: 'review', from: `${id}@main` });
    expect(sandbox).toMatchObject({ state: 'running', from: `${id}@${commit}`, agent: 'agt_1', name: 'review' });
    const box = sandbox?.id ?? '';
    const script = 'cat readme.md; ./run.sh; git status --short; git log --format=%s; git -C /repo.git rev-parse HEAD';
    expect(await all.run(sandboxes, box, ['sh', '-c', script])).toMatchObject({
      stdout: `hello\nran\nfirst\n${commit}\n`,
      stderr: '',
    });
    const change =
      'echo more >> readme.md && chmod 600 run.sh && git commit -qam second && git log --format=%s && rm run.sh && touch /repo.git/x';
    expect(await all.run(sandboxes, box, ['sh', '-c', change])).toMatchObject({
      stdout: 'second\nfirst\n',
      exitCode: 1,
    });
    const other = await sandboxes.createSandbox({ from: `${id}@${commit.slice(0, 8)}` });
    expect((await all.run(sandboxes, other.sandbox?.id ?? '', ['cat', 'readme.md'])).stdout).toBe('hello\n');
    const { sandbox: read } = await sandboxes.getSandbox({ id: box, after: position });
    expect(read).toMatchObject({
      state: 'running',
      tier: process.getuid?.() === 0 ? 'namespace' : 'namespace-rootless',
    });
  });

  test('is in the ledger, from the request to its end, and its commands as actions', async () => {
    verifies('sandbox.recorded');
    const sandboxes = await all.sandboxes({ run: 'run_1' });
    const { sandbox } = await sandboxes.createSandbox({ effectId: 'box-1-1' });
    const id = sandbox?.id ?? '';
    await all.run(sandboxes, id, ['echo', 'hi'], 'echo-1-1');
    const stopped = await sandboxes.stopSandbox({ id, reason: 'done' });
    expect(stopped.position).toMatch(/^sandbox-runner\//);
    expect(await types(id)).toEqual(['sandbox.requested.v1', 'sandbox.started.v1', 'sandbox.stopped.v1']);
    const [requested, started] = await all.events(id);
    expect(requested).toMatchObject({
      actor: { principal: 'agt_1', run: 'run_1' },
      data: { agent: 'agt_1', run: 'run_1' },
    });
    if (process.getuid?.() === 0)
      expect((started?.data as { layers: string[] }).layers).toEqual(
        expect.arrayContaining([expect.stringMatching(/^uid:2\d{5}$/)]),
      );
    expect(await types('box-1-1')).toEqual(['action.intended.v1', 'action.completed.v1']);
    const [intended, completed] = await all.events('echo-1-1');
    expect(intended?.data).toMatchObject({
      action: 'sandbox.exec',
      resource: { id },
      arguments: { program: 'echo', argv: ['echo', 'hi'] },
    });
    expect(completed?.data).toMatchObject({ ok: true, summary: { exitCode: 0, reason: 'exit' } });
    const { sandbox: read } = await sandboxes.getSandbox({ id, after: stopped.position });
    expect(read).toMatchObject({ state: 'stopped', reason: 'stopped' });
  });

  test('is stopped by a repeat, too, and used no more', async () => {
    const sandboxes = await all.sandboxes();
    const { sandbox } = await sandboxes.createSandbox({});
    const id = sandbox?.id ?? '';
    const { position } = await sandboxes.stopSandbox({ id });
    await sandboxes.getSandbox({ id, after: position });
    await expect(sandboxes.stopSandbox({ id })).resolves.toBeDefined();
    await expect(all.run(sandboxes, id, ['true'])).rejects.toMatchObject({ code: 'sandbox.stopped' });
    await expect(sandboxes.stopSandbox({ id: 'sbx_none' })).rejects.toMatchObject({ code: 'sandbox.not_found' });
  });

  test('expires', async () => {
    const sandboxes = await all.sandboxes();
    const { sandbox } = await sandboxes.createSandbox({ keep: { nanos: 300_000_000 } });
    const running = all.run(sandboxes, sandbox?.id ?? '', ['sleep', '100']);
    expect((await running).reason).toBe('stopped');
    await eventually(async () => (await types(sandbox?.id ?? '')).includes('sandbox.stopped.v1'));
    expect((await all.events(sandbox?.id)).at(-1)?.data).toEqual({ reason: 'expired' });
  });

  test('has files that are read and written inside', async () => {
    const sandboxes = await all.sandboxes();
    const { sandbox } = await sandboxes.createSandbox({});
    const id = sandbox?.id ?? '';
    const data = Buffer.alloc(300_000, 'x');
    await sandboxes.changeFiles({ id, path: 'a/b', verb: 'mkdir' });
    await sandboxes.writeFile({ id, path: 'a/b/c.bin', data });
    expect(Buffer.from((await sandboxes.readFile({ id, path: '/workspace/a/b/c.bin' })).data).equals(data)).toBe(true);
    const { entries } = await sandboxes.changeFiles({ id, path: 'a', verb: 'list' });
    expect(entries).toMatchObject([{ name: 'b', kind: 'directory' }]);
    const {
      entries: [file],
    } = await sandboxes.changeFiles({ id, path: 'a/b/c.bin', verb: 'stat' });
    expect(file).toMatchObject({ kind: 'file', size: 300_000n });
    await sandboxes.changeFiles({ id, path: 'a', verb: 'rm' });
    await expect(sandboxes.readFile({ id, path: 'a/b/c.bin' })).rejects.toMatchObject({
      code: 'sandbox.file_not_found',
    });
    await expect(sandboxes.readFile({ id, path: '/etc/shadow' })).rejects.toMatchObject({
      code: 'sandbox.file_not_found',
    });
    await expect(sandboxes.writeFile({ id, path: '/etc/passwd', data })).rejects.toMatchObject({
      code: 'sandbox.file_refused',
    });
  });

  test('is talked to while it runs', async () => {
    const sandboxes = await all.sandboxes({ sub: 'operator', kind: 'operator', tenant: 'tnt_1' });
    const { sandbox } = await sandboxes.createSandbox({});
    const said: string[] = [];
    let answer: (text: string) => void = () => undefined;
    const input = (async function* () {
      yield { frame: { case: 'start' as const, value: { id: sandbox?.id ?? '', argv: ['cat'] } } };
      for (const text of ['one\n', 'two\n']) {
        const heard = new Promise<string>((resolve) => (answer = resolve));
        yield { frame: { case: 'stdin' as const, value: Buffer.from(text) } };
        expect(await heard).toBe(text);
      }
      yield { frame: { case: 'close' as const, value: true } };
    })();
    for await (const { frame } of sandboxes.attach(input)) {
      if (frame.case === 'stdout') {
        said.push(Buffer.from(frame.value).toString());
        answer(said.at(-1) ?? '');
      } else if (frame.case === 'end') said.push(frame.value.reason);
    }
    expect(said).toEqual(['one\n', 'two\n', 'exit']);
  });

  test('is used by people as policies say, and by operators unless one forbids it', async () => {
    verifies('enforcement.one_rule');
    const [people, operator] = await Promise.all([
      all.sandboxes(person),
      all.sandboxes({ sub: 'operator', kind: 'operator', tenant: 'tnt_1' }),
    ]);
    const { sandbox } = await people.createSandbox({});
    const id = sandbox?.id ?? '';
    const refused = async (who: typeof people): Promise<boolean> =>
      (await all.run(who, id, ['true']).catch(({ code }: { code?: unknown }) => code)) === 'policy.denied';
    await all.allow('permit(principal is Writ::Agent, action, resource);');
    await eventually(() => refused(people));
    await expect((await all.artifacts(person)).importArtifact({ source })).rejects.toMatchObject({
      code: 'policy.denied',
    });
    expect(await all.run(operator, id, ['true'], 'by-the-operator')).toMatchObject({ exitCode: 0 });
    expect(await types('by-the-operator')).toEqual(['action.intended.v1', 'action.completed.v1']);
    await all.allow('forbid(principal is Writ::Operator, action, resource);');
    await eventually(() => refused(operator));
  });

  test('sees the folders that the operator allows, and volumes that outlive it', async () => {
    const sandboxes = await all.sandboxes();
    const refused = { source: '/etc', target: '/mnt/etc', writable: false };
    await expect(sandboxes.createSandbox({ mounts: [refused] })).rejects.toMatchObject({
      code: 'sandbox.mount_refused',
    });
    for (const target of ['/usr/x', '/etc', '/workspace/x', '/proc/x', '/', '/a/../etc'])
      await expect(sandboxes.createSandbox({ mounts: [{ source: '/usr/share', target }] })).rejects.toMatchObject({
        code: 'sandbox.mount_refused',
      });
    const mounts = [{ source: '/usr/share', target: '/shared' }];
    const volume = { source: 'volume:notes', target: '/notes', writable: true };
    const { sandbox: first } = await sandboxes.createSandbox({
      mounts: process.getuid?.() === 0 ? [...mounts, volume] : mounts,
    });
    const id = first?.id ?? '';
    expect((await all.run(sandboxes, id, ['sh', '-c', 'ls /shared | head -1; touch /shared/x'])).stderr).toMatch(
      /Read-only/,
    );
    if (process.getuid?.() !== 0) return;
    expect(await all.run(sandboxes, id, ['sh', '-c', 'echo kept > /notes/a'])).toMatchObject({ exitCode: 0 });
    await expect(sandboxes.createSandbox({ mounts: [volume] })).rejects.toMatchObject({ code: 'sandbox.volume_busy' });
    await sandboxes.stopSandbox({ id });
    const { sandbox: second } = await sandboxes.createSandbox({ mounts: [volume] });
    expect(
      await all.run(sandboxes, second?.id ?? '', ['sh', '-c', 'cat /notes/a; echo more >> /notes/a']),
    ).toMatchObject({ stdout: 'kept\n', exitCode: 0 });
  });
});

describe('an agent', () => {
  test('does nothing that the policy does not permit, and the refusal is recorded', async () => {
    verifies('sandbox.enforced');
    const sandboxes = await all.sandboxes();
    const { sandbox } = await sandboxes.createSandbox({});
    const id = sandbox?.id ?? '';
    await all.allow(
      `permit(principal, action == Writ::Action::"sandbox.exec", resource) when { context.arguments.program == "echo" };`,
    );
    await eventually(
      async () => (await all.run(sandboxes, id, ['cat', '/etc/passwd']).catch(({ code }) => code)) === 'policy.denied',
    );
    expect(await all.run(sandboxes, id, ['echo', 'yes'])).toMatchObject({ stdout: 'yes\n' });
    await expect(sandboxes.createSandbox({})).rejects.toMatchObject({ code: 'policy.denied' });
    await expect(sandboxes.readFile({ id, path: '/etc/passwd' })).rejects.toMatchObject({ code: 'policy.denied' });
    const refused = (await all.events()).filter(({ type }) => type === 'action.refused.v1');
    expect(refused.length).toBeGreaterThanOrEqual(3);
  });

  test('uses the sandboxes of its own run and of those above it, and no others', async () => {
    const mine = await all.sandboxes({ run: 'run_a' });
    const { sandbox } = await mine.createSandbox({});
    const id = sandbox?.id ?? '';
    const child = await all.sandboxes({ run: 'run_b', act: { sub: 'run_a', act: { sub: 'agt_1' } } });
    expect((await all.run(child, id, ['echo', 'child'])).stdout).toBe('child\n');
    const stranger = await all.sandboxes({ run: 'run_c' });
    await expect(all.run(stranger, id, ['true'])).rejects.toMatchObject({ code: 'sandbox.not_yours' });
    await expect(stranger.stopSandbox({ id })).rejects.toMatchObject({ code: 'sandbox.not_yours' });
    const other = await all.sandboxes({ tenant: 'tnt_2', ...person });
    await expect(all.run(other, id, ['true'])).rejects.toMatchObject({ code: 'sandbox.not_found' });
    await expect(other.getSandbox({ id })).rejects.toMatchObject({ code: 'sandbox.not_found' });
    const owner = await all.sandboxes(person);
    expect((await all.run(owner, id, ['echo', 'person'])).stdout).toBe('person\n');
  });

  test('that asks for the same effect again gets what it got, and nothing runs twice', async () => {
    verifies('sandbox.exec_once');
    const sandboxes = await all.sandboxes();
    const { sandbox } = await sandboxes.createSandbox({ effectId: 'box-2-1' });
    const again = await sandboxes.createSandbox({ effectId: 'box-2-1' });
    expect(again.sandbox?.id).toBe(sandbox?.id);
    const id = sandbox?.id ?? '';
    const argv = ['sh', '-c', 'echo x >> count; wc -l < count; head -c 100000 /dev/zero | tr "\\0" y'];
    const first = await all.run(sandboxes, id, argv, 'count-2-1');
    expect(await all.run(sandboxes, id, argv, 'count-2-1')).toEqual(first);
    expect(first.stdout.slice(0, 3)).toBe('1\ny');
    const both = ['a', 'b'].map(() => all.run(sandboxes, id, argv, 'count-2-2'));
    const [one, two] = await Promise.all(both);
    expect(one).toEqual(two);
    expect(one?.stdout.slice(0, 3)).toBe('2\ny');
  });

  test('that is revoked loses its sandboxes with what runs in them', async () => {
    verifies('sandbox.revoked');
    const doomed = await all.sandboxes({ sub: 'agt_doomed' });
    const { sandbox } = await doomed.createSandbox({});
    const id = sandbox?.id ?? '';
    const running = all.run(doomed, id, ['sleep', '1000']).catch((error: { code: string }) => error.code);
    await eventually(async () => (await all.events()).some(({ data }) => JSON.stringify(data).includes('"1000"')));
    await all.identity.revoke('agt_doomed', 'agent');
    expect(['auth.revoked', 'request.cancelled']).toContain(await running);
    await eventually(async () => (await types(id)).includes('sandbox.stopped.v1'));
    expect((await all.events(id)).at(-1)?.data).toMatchObject({ reason: 'revoked' });
  });

  test('that goes away takes its command with it', async () => {
    const sandboxes = await all.sandboxes();
    const { sandbox } = await sandboxes.createSandbox({});
    const id = sandbox?.id ?? '';
    const abort = new AbortController();
    const frames = sandboxes.exec({ id, argv: ['sh', '-c', 'echo up; sleep 4242'] }, { signal: abort.signal });
    await expect(
      (async () => {
        for await (const _ of frames) abort.abort();
      })(),
    ).rejects.toThrow();
    await eventually(
      async () =>
        !(await all.run(sandboxes, id, ['sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "'])).stdout.includes(
          'sleep 4242',
        ),
    );
  });
});

describe('an artifact', () => {
  test('is cloned by Git with a token, and with nothing else', async () => {
    verifies('artifact.clone');
    const id = await imported();
    const token = await all.identity.token();
    const url = `${all.url}/git/${id}.git`;
    const target = path.join(all.folder, `clone-${Date.now()}`);
    const env = { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
    const run = promisify(execFile); // not synchronously: the server is this very process
    await expect(run('git', ['clone', '-q', url, target], { env })).rejects.toThrow(/could not read Username/);
    await run('git', ['-c', `http.extraHeader=Authorization: Bearer ${token}`, 'clone', '-q', url, target], { env });
    const { stdout } = await run('git', ['-C', target, 'rev-parse', 'HEAD', '--abbrev-ref', 'HEAD']);
    expect(stdout).toBe(`${commit}\nmain\n`);
    fs.rmSync(target, { recursive: true });
    const basic = url.replace('http://', `http://agent:${token}@`);
    await run('git', ['clone', '-q', '--depth', '1', basic, target], { env });
    expect(fs.readFileSync(path.join(target, 'readme.md'), 'utf8')).toBe('hello\n');
    const pushed = run('git', ['-C', target, 'push', '-q', basic, 'HEAD:refs/heads/x'], { env });
    await expect(pushed).rejects.toThrow(/403/);
    const narrow = await all.identity.token({ authorization_details: [{ type: 'writ', actions: ['run.read'] }] });
    expect(
      (await fetch(`${url}/info/refs?service=git-upload-pack`, { headers: { authorization: `Bearer ${narrow}` } }))
        .status,
    ).toBe(403);
    const foreign = await all.identity.token({ tenant: 'tnt_2' });
    expect(
      (await fetch(`${url}/info/refs?service=git-upload-pack`, { headers: { authorization: `Bearer ${foreign}` } }))
        .status,
    ).toBe(404);
  });

  test('is imported from where the operator allows, once for each source, and read back', async () => {
    const artifacts = await all.artifacts(person);
    await expect(artifacts.importArtifact({ source: '/etc' })).rejects.toMatchObject({
      code: 'artifact.source_refused',
    });
    await expect(artifacts.importArtifact({ source: 'http://169.254.169.254/x' })).rejects.toMatchObject({
      code: 'artifact.source_refused',
    });
    const { artifact, position } = await artifacts.importArtifact({ source });
    expect(artifact).toMatchObject({ commit, name: 'code', files: 2n });
    expect((await artifacts.importArtifact({ source })).artifact?.id).toBe(artifact?.id);
    expect((await artifacts.listArtifacts({ after: position })).artifacts.map(({ id }) => id)).toEqual([artifact?.id]);
    const foreign = await all.artifacts({ tenant: 'tnt_2', ...person });
    await expect(foreign.getArtifact({ id: artifact?.id ?? '' })).rejects.toMatchObject({ code: 'artifact.not_found' });
    const sandboxes = await all.sandboxes({ tenant: 'tnt_2', ...person });
    await expect(sandboxes.createSandbox({ from: artifact?.id ?? '' })).rejects.toMatchObject({
      code: 'artifact.not_found',
    });
  });
});

describe('a runner', () => {
  test('that is started again says which sandboxes did not survive it', async () => {
    verifies('sandbox.reconciled');
    await all.stop();
    await using first = startProcess('services/sandbox-runner/src/main.ts', { env: all.environment });
    await first.line(/"ready"/, 30_000);
    const { grpcUrl } = JSON.parse(first.lines.find((line) => line.includes('"ready"')) ?? '').ready as {
      grpcUrl: string;
    };
    const sandboxes = await all.sandboxes({}, grpcUrl);
    const { sandbox } = await eventually(() => sandboxes.createSandbox({}), { timeoutMs: 20_000 });
    const id = sandbox?.id ?? '';
    await first.kill();
    await all.restart();
    await eventually(async () => (await types(id)).includes('sandbox.stopped.v1'));
    expect((await all.events(id)).at(-1)?.data).toEqual({ reason: 'runner_restarted' });
  }, 90_000);
});
