import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, startProcess, verifies } from '@writ/testkit';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { finished, run, sh } from '../../testing/probe.js';
import { processesOf } from '../../testing/user-processes.js';
import type { IsolatedSandbox, IsolationDriver } from '../isolation.js';
import { openNamespaceDriver } from './open.js';

const limits = { memoryMib: 64, processes: 20, cpuMilli: 200, diskMib: 32 };
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-limits-'));
const isRoot = process.getuid?.() === 0;
let driver: IsolationDriver;
let sandbox: IsolatedSandbox;

beforeAll(async () => {
  driver = await openNamespaceDriver({ folder, limits, volumeMib: 16, ready: 0 });
  sandbox = await driver.create({ id: 'sbx_limits', limits, mounts: [] });
});
afterAll(async () => {
  await driver?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('a sandbox is held to', () => {
  test('its memory', async () => {
    verifies('sandbox.limits');
    const { reason, exitCode } = await run(sandbox, ['node', '-e', 'const a=[];for(;;)a.push(Buffer.alloc(1<<20,1))']);
    // Without control groups it is each process that is bounded, and it is told no instead of being killed.
    if (isRoot) expect({ reason, exitCode }).toEqual({ reason: 'oom', exitCode: 137 });
    else expect(exitCode).not.toBe(0);
    expect((await run(sandbox, ['echo', 'alive'])).text).toBe('alive\n');
  });

  test('its memory, also where that is files', async () => {
    verifies('sandbox.limits');
    for (const file of ['/dev/shm/x', '/tmp/x']) {
      expect((await sh(sandbox, `head -c 200m /dev/zero > ${file}`)).reason).toBe('disk_full');
      expect((await sandbox.files.stat(file)).size).toBeLessThan(32 << 20);
      await sandbox.files.rm(file);
    }
  });

  test('its number of processes', async () => {
    verifies('sandbox.limits');
    const bombed = await driver.create({ id: 'sbx_bomb', limits, mounts: [] });
    const { text, stderr } = await sh(bombed, 'for i in $(seq 100); do sleep 100 & done; echo all', 5000);
    expect(text).not.toContain('all');
    expect(stderr.toString()).toContain('fork');
    await bombed.stop();
    expect((await run(sandbox, ['echo', 'alive'])).text).toBe('alive\n');
  });

  test('its disk, by bytes and by files', async () => {
    verifies('sandbox.limits');
    const full = await sh(sandbox, 'head -c 100m /dev/zero > /workspace/big');
    expect(full).toMatchObject({ reason: 'disk_full', exitCode: 1 });
    await expect(sandbox.files.write('more', Buffer.alloc(1 << 20))).rejects.toThrow('ENOSPC');
    await sandbox.files.rm('big');
    const script = 'mkdir many; cd many; i=0; while : > f$i; do i=$((i+1)); done';
    const files = await sh(sandbox, script);
    expect(files.reason).toBe('disk_full');
    expect(Number((await sh(sandbox, 'ls many | wc -l')).text)).toBeLessThan(10_000);
    await sandbox.files.rm('many');
  });

  test('its time, with everything that the command started', async () => {
    verifies('sandbox.limits');
    const execution = sandbox.exec({ argv: ['sh', '-c', '(setsid sleep 1000 &) ; sleep 1000'], timeoutMs: 200 });
    const { reason, durationMs } = await finished(execution);
    expect(reason).toBe('timeout');
    expect(durationMs).toBeGreaterThan(100);
    const { text } = await sh(sandbox, 'cat /proc/[0-9]*/cmdline');
    if (isRoot) expect(text).not.toContain('sleep\0' + '1000');
    else expect(text.match(/sleep\x001000/g)?.length ?? 0).toBeLessThan(2); // what made a session of its own escapes
  });

  test('its share of the processors', async () => {
    verifies('sandbox.limits');
    if (!isRoot) return expect(driver.tier.layers).toContain('limits:rlimit'); // which has none for that, and says so
    const burn = '(while :; do :; done) & a=$!; (while :; do :; done) & b=$!; sleep 1; kill $a $b; wait; times';
    const { text } = await sh(sandbox, `date +%s.%N; ${burn}; date +%s.%N`, 10_000);
    const [, from, used, to] = /^([\d.]+)\n[^]*\n0m([\d.]+)s[^]*\n([\d.]+)\n$/.exec(text) ?? [];
    const share = Number(used) / (Number(to) - Number(from)); // of a second, or of more where the machine is busy
    expect(share).toBeLessThan(0.4); // 0.2 of a core, of two that are asked for
    expect(share).toBeGreaterThan(0.01);
  });

  test('what the runner itself is held to, where that is less', async () => {
    verifies('sandbox.limits');
    const ours = '/sys/fs/cgroup/cpu';
    if (!isRoot || !fs.existsSync(`${ours}/cpu.cfs_quota_us`)) return expect(driver.tier.layers).not.toEqual([]);
    const group = fs.mkdtempSync(`${ours}/writ-test-`);
    fs.writeFileSync(`${group}/cpu.cfs_quota_us`, '50000'); // half a core; a sandbox of this runner asks for a whole one
    const home = path.join(folder, 'held');
    const runner = startProcess('services/sandbox-runner/src/testing/runner.process.ts', { args: [home] });
    fs.writeFileSync(`${group}/cgroup.procs`, String(runner.pid));
    await runner.line(/^uids (.*)/);
    await runner.kill();
    const next = await openNamespaceDriver({ folder: home, limits, volumeMib: 16, ready: 0 });
    await next.close();
    const groups = fs.globSync(`${group}/**/cgroup.procs`).map((file) => path.dirname(file));
    for (const each of groups.sort().reverse()) await eventually(() => (fs.rmdirSync(each), true));
  });
});

describe('a command', () => {
  const big = { memoryMib: 256, processes: 64, cpuMilli: 2000, diskMib: 32 };
  let other: IsolatedSandbox;
  beforeAll(async () => {
    other = await driver.create({ id: 'sbx_exec', limits: big, mounts: [] });
  });

  test('tells its exit code, or its signal', async () => {
    verifies('sandbox.exec');
    expect(await run(other, ['sh', '-c', 'exit 42'])).toMatchObject({ exitCode: 42, reason: 'exit' });
    expect(await run(other, ['sh', '-c', 'kill -TERM $$'])).toMatchObject({
      exitCode: 143,
      reason: 'signal',
      signal: 'SIGTERM',
    });
  });

  test('that does not exist says so', async () => {
    verifies('sandbox.exec');
    const missing = await run(other, ['no-such-program']);
    expect(missing).toMatchObject({ exitCode: 127, reason: 'exit' });
    expect(missing.stderr.toString()).toBe('cannot run no-such-program: ENOENT\n');
    expect(await run(other, ['/etc/passwd'])).toMatchObject({ exitCode: 126, reason: 'exit' });
    expect((await run(other, ['true'], { cwd: '/nowhere' })).stderr.toString()).toBe('cannot enter /nowhere: ENOENT\n');
  });

  test('has the environment and the folder that it was given', async () => {
    const { text } = await run(other, ['sh', '-c', 'echo $A $PWD $HOME'], { env: { A: 'b c' }, cwd: '/tmp' });
    expect(text).toBe('b c /tmp /home/agent\n');
  });

  test('reads what is written to it', async () => {
    const execution = other.exec({ argv: ['sh', '-c', 'read a; echo got $a; cat | wc -c'], stdin: true });
    execution.stdin?.write('line\n');
    execution.stdin?.end(Buffer.alloc(1 << 20));
    expect((await finished(execution)).text).toBe(`got line\n${1 << 20}\n`);
  });

  test('streams as it goes, and waits for a slow reader without losing a byte', async () => {
    const execution = other.exec({ argv: ['sh', '-c', 'echo first; read go; head -c 3m /dev/zero'], stdin: true });
    execution.stderr.resume();
    let bytes = 0;
    let ended = false;
    void execution.result.then(() => (ended = true));
    for await (const chunk of execution.stdout as AsyncIterable<Buffer>) {
      if (bytes === 0) {
        expect(`${chunk.toString()}${ended}`).toBe('first\nfalse');
        execution.stdin?.end('go\n');
      }
      bytes += chunk.length;
      if (bytes < 1 << 20) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(bytes).toBe(6 + 3 * (1 << 20));
    expect((await execution.result).exitCode).toBe(0);
  });

  test('ends when it ends, though it left something running', async () => {
    const started = performance.now();
    expect(await sh(other, 'sleep 20 & echo done')).toMatchObject({ exitCode: 0, text: 'done\n' });
    expect(performance.now() - started).toBeLessThan(5000);
    expect((await sh(other, 'cat /proc/[0-9]*/cmdline')).text).toContain('sleep\0' + '20');
  });

  test('is killed with what it started', async () => {
    verifies('sandbox.exec');
    const execution = other.exec({ argv: ['sh', '-c', 'setsid sleep 3000 & echo up; sleep 3000'] });
    execution.stdout.once('data', () => execution.kill());
    expect(await finished(execution)).toMatchObject({ reason: 'cancelled' });
    if (isRoot) expect((await sh(other, 'cat /proc/[0-9]*/cmdline')).text).not.toContain('sleep\0' + '3000');
  });

  test('whose waiter was killed is not waited for for ever', async () => {
    if (!isRoot) return expect(isRoot).toBe(false);
    const execution = other.exec({ argv: ['sh', '-c', 'echo up; sleep 5000'] });
    const ended = finished(execution);
    await once(execution.stdout, 'data');
    // The waiter is the parent of its command; of those before it something may just be ending.
    const shell = processesOf(other.uid).find(({ name, command }) => name === 'sh' && command.includes('sleep 5000'));
    const waiter = shell?.parent ?? 0;
    expect(waiter).toBeGreaterThan(1);
    process.kill(waiter, 'SIGKILL');
    expect(await ended).toMatchObject({ reason: 'signal', signal: 'SIGKILL' });
  });

  test('ends with its sandbox', async () => {
    const third = await driver.create({ id: 'sbx_3', limits, mounts: [] });
    const execution = third.exec({ argv: ['sleep', '1000'] });
    const [{ reason }] = await Promise.all([finished(execution), third.stop(), third.stop()]);
    expect(reason).toBe('stopped');
    expect((await finished(third.exec({ argv: ['true'] }))).reason).toBe('stopped');
  });
});
