/** Where the control groups of a process are on this host: version 2, version 1, or both at once ("hybrid"). */
export interface Hierarchies {
  readonly mode: 'v2' | 'hybrid';
  /** The folder of our own group for each controller. */
  readonly memory: ControllerFolder;
  readonly pids: ControllerFolder;
  readonly cpu: ControllerFolder;
  /** Version 2, with or without controllers: what kills a group at once and lets processes be born in one. */
  readonly unified: string;
}
export interface ControllerFolder {
  readonly version: 1 | 2;
  readonly folder: string;
}

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/**
 * Reads `/proc/self/mountinfo` and `/proc/self/cgroup`; `controllersOf` gives `cgroup.controllers` of a folder. Returns what
 * is missing where sandboxes could not be limited.
 */
export function findHierarchies(
  mountinfo: string,
  membership: string,
  controllersOf: (folder: string) => readonly string[],
): Hierarchies | { readonly missing: string } {
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  const unifiedMount = mounts.find(({ type }) => type === 'cgroup2');
  if (unifiedMount === undefined) return { missing: 'no cgroup2 file system is mounted' };
  const unified = folderOf(
    unifiedMount,
    pathOf(membership, (controllers) => controllers === ''),
  );
  const available = controllersOf(unifiedMount.point);
  const find = (controller: string): ControllerFolder | undefined => {
    if (available.includes(controller)) return { version: 2, folder: unified };
    const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes(controller));
    if (mount === undefined) return undefined;
    const path = pathOf(membership, (controllers) => controllers.split(',').includes(controller));
    return { version: 1, folder: folderOf(mount, path) };
  };
  const [memory, pids, cpu] = [find('memory'), find('pids'), find('cpu')];
  if (memory === undefined || pids === undefined || cpu === undefined) {
    const names = Object.entries({ memory, pids, cpu }).flatMap(([name, found]) => (found === undefined ? [name] : []));
    return { missing: `no cgroup controller for ${names.join(', ')}` };
  }
  const mode = [memory, pids, cpu].every(({ version }) => version === 2) ? 'v2' : 'hybrid';
  return { mode, memory, pids, cpu, unified };
}

/** `36 35 98:0 /root /point rw,... shared:1 - type source options` */
function parseMount(line: string): Mount[] {
  const [before, after] = line.split(' - ');
  if (before === undefined || after === undefined) return [];
  const [, , , root, point] = before.split(' ');
  const [type, , options] = after.split(' ');
  if (root === undefined || point === undefined || type === undefined) return [];
  return type.startsWith('cgroup') ? [{ root, point, type, options: (options ?? '').split(',') }] : [];
}

/** `4:memory:/path`, and `0::/path` for version 2. */
function pathOf(membership: string, matches: (controllers: string) => boolean): string {
  for (const line of membership.split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controllers !== undefined && matches(controllers)) return path.join(':');
  }
  return '/';
}

/** In a container the mount shows only a part of the tree, and the path may be told from that part's root or the host's. */
function folderOf({ root, point }: Mount, path: string): string {
  const below = root !== '/' && path.startsWith(root) ? path.slice(root.length) : path;
  return below === '' || below === '/' || below.startsWith('/..') ? point : point + below;
}
