import { access, constants, readFile } from 'node:fs/promises';
import { note, ok, problem, type Finding } from './check.js';

/**
 * What limits the memory, the processes and the time of a sandbox.
 * @param root where `/proc` and the mounts are looked for; default: this machine
 */
export async function controlGroups(root = ''): Promise<Finding> {
  const name = 'control groups';
  const mounts = await readFile(`${root}/proc/self/mounts`, 'utf8').catch(() => '');
  const v2 = /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
  const there = new Set(
    (await readFile(`${root}${v2}/cgroup.controllers`, 'utf8').catch(() => '')).trim().split(/\s+/),
  );
  const v1 = [...mounts.matchAll(/^\S+ \S+ cgroup (\S+)/gm)].flatMap(([, options = '']) => options.split(','));
  if (!v2) return problem(name, 'no cgroup2 file system is mounted', 'mount -t cgroup2 none /sys/fs/cgroup/unified');
  const missing = ['memory', 'pids', 'cpu'].filter((each) => !there.has(each) && !v1.includes(each));
  if (missing.length > 0)
    return problem(
      name,
      `no controller for ${missing.join(', ')}: sandboxes cannot be limited`,
      'mount cgroup v2 at /sys/fs/cgroup',
    );
  const mode = v1.length === 0 ? 'version 2' : 'hybrid';
  const writable = await access(`${root}${v2}`, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (writable) return ok(name, mode);
  return note(
    name,
    `${mode}, not writable by this user: limits of memory and processes are rlimits only`,
    'delegate a cgroup, or run as root',
  );
}
