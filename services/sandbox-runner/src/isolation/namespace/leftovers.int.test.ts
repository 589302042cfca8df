import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, isRunning, startProcess, verifies } from '@writ/testkit';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { finished, probe, run, sh } from '../../testing/probe.js';
import { processesOf } from '../../testing/user-processes.js';
import type { IsolatedSandbox, IsolationDriver } from '../isolation.js';
import { instanceName, openNamespaceDriver } from './open.js';
import { loopDevice } from './uids.js';

const limits = { memoryMib: 64, processes: 20, cpuMilli: 1000, diskMib: 32 };
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'writ-leftovers-'));
const isRoot = process.getuid?.() === 0;

/** Mounts of runners and sandboxes that the host sees; other programs mount and unmount as they like. */
const mounts = (): string[] =>
  fs
    .readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder) || line.includes('/writ/') || line.includes('/loop'));
/** Images that a loop device still holds. */
const images = (): string[] =>
  fs
    .readdirSync('/sys/block')
    .flatMap((name) => {
      const file = `/sys/block/${name}/loop/backing_file`;
      return fs.existsSync(file) ? [fs.readFileSync(file, 'utf8')] : [];
    })
    .filter((image) => image.includes(folder));
/** Binds a device as a runner that was killed a moment ago leaves it; false where one has just done that. */
function hold(device: number, image: string): boolean {
  const node = `/dev/loop${device}`;
  if (!fs.existsSync(node)) execFileSync('mknod', [node, 'b', '7', String(device)]);
  const { status, stderr } = spawnSync('losetup', [node, image], { encoding: 'utf8' });
  if (status !== 0 && !stderr.includes('busy')) throw new Error(stderr);
  return status === 0;
}
/** The control groups of a runner. */
const groups = (home: string): string[] => fs.globSync(`/sys/fs/cgroup/**/${instanceName(home)}`);

describe('two sandboxes', () => {
  let driver: IsolationDriver;
  let one: IsolatedSandbox;
  let two: IsolatedSandbox;
  beforeAll(async () => {
    driver = await openNamespaceDriver({ folder: path.join(folder, 'two'), limits, volumeMib: 16, ready: 0 });
    [one, two] = await Promise.all([
      driver.create({ id: 'sbx_1', limits, mounts: [] }),
      driver.create({ id: 'sbx_2', limits, mounts: [] }),
    ]);
  });
  afterAll(() => driver?.close());

  test('run as different users, neither of them root', () => {
    verifies('sandbox.own_user');
    if (!isRoot) return expect(driver.tier.name).toBe('namespace-rootless');
    expect(driver.tier.name).toBe('namespace');
    expect(one.uid).not.toBe(two.uid);
    expect(Math.min(one.uid, two.uid)).toBeGreaterThanOrEqual(200_000);
    expect(processesOf(one.uid).length).toBeGreaterThan(1);
  });

  test('pass over users whose disks the kernel has not let go yet', async () => {
    verifies('sandbox.held_disks');
    if (!isRoot) return expect(driver.tier.layers).toContain('disk:memory');
    const devices = [two.uid + 1, two.uid + 2].map((uid) => loopDevice(uid, 0));
    const image = path.join(folder, 'held.img');
    fs.writeFileSync(image, Buffer.alloc(1024 * 1024));
    const held = devices.filter((device) => hold(device, image));
    try {
      const three = await driver.create({ id: 'sbx_3', limits, mounts: [] });
      expect(three.uid).toBeGreaterThan(two.uid + 2);
      await three.stop();
    } finally {
      for (const device of held) execFileSync('losetup', ['--detach', `/dev/loop${device}`]);
      await eventually(() => held.every((device) => !fs.existsSync(`/sys/block/loop${device}/loop`)));
    }
  });

  test('see nothing of each other', async () => {
    verifies('sandbox.separate');
    await one.files.write('/workspace/mine', Buffer.from('mine'));
    await one.files.write('/tmp/mine', Buffer.from('mine'));
    const sleeper = one.exec({ argv: ['sleep', '500'] });
    sleeper.stdout.resume();
    const [key] = await probe(one, [['shmget', 4711, 4096, 0o1666]]);
    expect(key).toBeGreaterThanOrEqual(0);
    const { text } = await sh(two, 'ls /workspace /tmp /home/agent; cat /proc/[0-9]*/cmdline; exit 0');
    expect(text).not.toMatch(/mine|500/);
    expect(await probe(two, [['shmget', 4711, 4096, 0o666]])).toEqual([-2]);
    sleeper.kill();
    expect((await sleeper.result).reason).toBe('cancelled');
  });

  test('and two runners share no user', async () => {
    verifies('sandbox.own_user');
    const other = await openNamespaceDriver({ folder: path.join(folder, 'three'), limits, volumeMib: 16, ready: 0 });
    const sandbox = await other.create({ id: 'sbx_3', limits, mounts: [] });
    if (isRoot) expect(Math.abs(sandbox.uid - one.uid)).toBeGreaterThan(100);
    await other.close();
    await expect(openNamespaceDriver({ folder: path.join(folder, 'two'), limits, volumeMib: 16 })).rejects.toThrow(
      'another runner',
    );
  });
});

describe('nothing is left', () => {
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  test('of a sandbox that was stopped', async () => {
    verifies('sandbox.leaves_nothing');
    const home = path.join(folder, 'stopped');
    const before = mounts();
    const driver = await openNamespaceDriver({ folder: home, limits, volumeMib: 16, ready: 0 });
    const sandbox = await driver.create({ id: 'sbx_1', limits, mounts: [] });
    await sh(sandbox, '(setsid sleep 1000 &); head -c 1m /dev/zero > x');
    await sandbox.stop();
    if (isRoot) expect(processesOf(sandbox.uid)).toEqual([]);
    expect(mounts()).toEqual(before);
    expect(fs.readdirSync(path.join(home, 'live'))).toEqual([]);
    await eventually(() => images().length === 0); // the kernel lets go of a device a moment after its last mount
    await driver.close();
    expect(groups(home)).toEqual([]);
    if (isRoot) expect(fs.existsSync(`/sys/block/loop${loopDevice(sandbox.uid, 0)}`)).toBe(false);
  });

  test('of a runner that was killed, once the next one has started', async () => {
    verifies('sandbox.leaves_nothing');
    const home = path.join(folder, 'killed');
    const before = mounts();
    await using runner = startProcess('services/sandbox-runner/src/testing/runner.process.ts', { args: [home] });
    const uids = JSON.parse((await runner.line(/^uids (.*)/))[1] as string) as number[];
    if (isRoot) for (const uid of uids) expect(processesOf(uid).length).toBeGreaterThan(2);
    const left = uids.flatMap(processesOf);
    await runner.kill();
    await eventually(() => {
      if (isRoot) expect(left.filter(isRunning)).toEqual([]); // by now the users may be another runner's
      expect(images()).toEqual([]);
      return true;
    });
    expect(mounts()).toEqual(before);
    const next = await openNamespaceDriver({ folder: home, limits, volumeMib: 16, ready: 0 });
    expect(next.reaped.folders).toBe(2);
    if (isRoot) expect(next.reaped.cgroups).toBe(2);
    expect(fs.readdirSync(path.join(home, 'live'))).toEqual([]);
    const sandbox = await next.create({ id: 'sbx_1', limits, mounts: [] });
    expect((await run(sandbox, ['echo', 'again'])).text).toBe('again\n');
    await next.close();
    expect(groups(home)).toEqual([]);
  });

  test('of a sandbox that could not start', async () => {
    verifies('sandbox.leaves_nothing');
    const home = path.join(folder, 'failed');
    const driver = await openNamespaceDriver({ folder: home, limits, volumeMib: 16, ready: 0 });
    const missing = { folder: path.join(folder, 'nowhere'), repository: path.join(folder, 'nowhere') };
    await expect(driver.create({ id: 'sbx_1', limits, mounts: [], checkout: missing })).rejects.toThrow('ENOENT');
    expect(fs.readdirSync(path.join(home, 'live'))).toEqual([]);
    await driver.close();
  });

  test('and a sandbox whose first process dies is a crash, told at once', async () => {
    if (!isRoot) return expect(isRoot).toBe(false);
    const driver = await openNamespaceDriver({ folder: path.join(folder, 'crash'), limits, volumeMib: 16, ready: 0 });
    const sandbox = await driver.create({ id: 'sbx_1', limits, mounts: [] });
    const execution = sandbox.exec({ argv: ['sh', '-c', 'echo up; sleep 100'] });
    const running = finished(execution);
    await once(execution.stdout, 'data');
    const inside = processesOf(sandbox.uid).filter(({ command }) => command.startsWith('/run/'));
    expect(inside.length).toBe(1);
    for (const { pid } of inside) process.kill(pid, 'SIGKILL');
    await sandbox.crashed;
    expect((await running).reason).toBe('signal');
    await sandbox.stop();
    expect(processesOf(sandbox.uid)).toEqual([]);
    await driver.close();
  });
});
