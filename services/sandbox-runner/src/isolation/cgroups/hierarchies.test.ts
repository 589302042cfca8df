import { describe, expect, test } from '@jest/globals';
import { findHierarchies } from './hierarchies.js';

const v1 = (controller: string, root = '/'): string =>
  `40 30 0:30 ${root} /sys/fs/cgroup/${controller} rw,relatime - cgroup cgroup rw,${controller}`;
const v2 = (point: string, root = '/'): string =>
  `41 30 0:31 ${root} ${point} rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate`;

describe('control groups are found', () => {
  test('on a host with version 2 alone', () => {
    const found = findHierarchies(v2('/sys/fs/cgroup'), '0::/system.slice/writ.service\n', () => [
      'cpu',
      'memory',
      'pids',
      'io',
    ]);
    const folder = '/sys/fs/cgroup/system.slice/writ.service';
    expect(found).toMatchObject({
      mode: 'v2',
      unified: folder,
      memory: { version: 2, folder },
      cpu: { version: 2, folder },
    });
  });

  test('on a hybrid host, where version 2 has no controllers', () => {
    const mounts = [v1('memory'), v1('pids'), v1('cpu,cpuacct'), v2('/sys/fs/cgroup/unified')].join('\n');
    const membership = '8:pids:/\n4:memory:/outer/inner\n1:cpu,cpuacct:/\n0::/\n';
    expect(findHierarchies(mounts, membership, () => ['hugetlb'])).toEqual({
      mode: 'hybrid',
      unified: '/sys/fs/cgroup/unified',
      memory: { version: 1, folder: '/sys/fs/cgroup/memory/outer/inner' },
      pids: { version: 1, folder: '/sys/fs/cgroup/pids' },
      cpu: { version: 1, folder: '/sys/fs/cgroup/cpu,cpuacct' },
    });
  });

  test('in a container that sees a part of the tree', () => {
    const mounts = v2('/sys/fs/cgroup', '/docker/abc');
    const all = (): string[] => ['cpu', 'memory', 'pids'];
    expect(findHierarchies(mounts, '0::/docker/abc/worker\n', all)).toMatchObject({ unified: '/sys/fs/cgroup/worker' });
    expect(findHierarchies(mounts, '0::/../..\n', all)).toMatchObject({ unified: '/sys/fs/cgroup' });
  });

  test('or what is missing is named', () => {
    expect(findHierarchies('', '', () => [])).toEqual({ missing: 'no cgroup2 file system is mounted' });
    expect(findHierarchies(v2('/sys/fs/cgroup'), '0::/\n', () => ['cpu'])).toEqual({
      missing: 'no cgroup controller for memory, pids',
    });
  });
});
