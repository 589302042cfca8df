import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { controlGroups } from './control-groups.js';

let root: string;
beforeEach(async () => void (root = await mkdtemp(path.join(tmpdir(), 'writ-test-cgroups-'))));
afterEach(() => rm(root, { recursive: true, force: true }));

/** A machine with these mounts, and these controllers at the one of version 2. */
async function machine(mounts: readonly string[], v2 = '', controllers = ''): Promise<void> {
  await mkdir(path.join(root, 'proc/self'), { recursive: true });
  await writeFile(path.join(root, 'proc/self/mounts'), ['/dev/sda1 / ext4 rw 0 0', ...mounts, ''].join('\n'));
  if (v2 === '') return;
  await mkdir(path.join(root, v2), { recursive: true });
  await writeFile(path.join(root, v2, 'cgroup.controllers'), `${controllers}\n`);
}

const unified = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0';
const beside = 'cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0';
const v1 = (controllers: string): string => `cgroup /sys/fs/cgroup/${controllers} cgroup rw,nosuid,${controllers} 0 0`;

test('version 2 with all that a sandbox needs is well', async () => {
  verifies('doctor.says');
  await machine([unified], '/sys/fs/cgroup', 'cpuset cpu io memory pids');
  expect(await controlGroups(root)).toMatchObject({ state: 'ok', found: 'version 2' });
});

test('a hybrid is well where the controllers of both versions make up all of them', async () => {
  const place = '/sys/fs/cgroup/unified';
  await machine([beside, v1('memory'), v1('cpu,cpuacct'), v1('pids')], place);
  expect(await controlGroups(root)).toMatchObject({ state: 'ok', found: 'hybrid' });
  await machine([beside, v1('memory')], place, 'cpu');
  expect(await controlGroups(root)).toMatchObject({
    state: 'problem',
    found: 'no controller for pids: sandboxes cannot be limited',
  });
});

test('each controller that is missing is named, and where there is no version 2 that is said', async () => {
  await machine([unified], '/sys/fs/cgroup', 'cpuset io');
  expect((await controlGroups(root)).found).toMatch(/^no controller for memory, pids, cpu: /);
  await machine([v1('memory'), v1('pids'), v1('cpu')]);
  expect(await controlGroups(root)).toMatchObject({
    state: 'problem',
    fix: expect.stringMatching(/^mount -t cgroup2 /),
  });
});

test('one that cannot be written to leaves rlimits, and that is worth a note', async () => {
  await machine([beside, v1('memory'), v1('cpu,cpuacct'), v1('pids')]); // masked: mounted, and not to be seen
  expect(await controlGroups(root)).toMatchObject({
    state: 'note',
    found: expect.stringMatching(/^hybrid, not writable/),
  });
});
