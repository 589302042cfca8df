import { FILTER_FD, INFO_FD } from './launch.program.js';

/** What is seen inside, in the order in which it is mounted. Sources are paths on the host, mostly in the stage. */
export interface View {
  readonly bubblewrap: string;
  readonly stage: string;
  /** Top-level folders of the host that hold its system (`/usr`) and links into it (`/bin -> usr/bin`). */
  readonly system: readonly ({ readonly folder: string } | { readonly link: string; readonly target: string })[];
  /** Staged folders and where they appear. */
  readonly folders: readonly { readonly name: string; readonly target: string; readonly writable?: boolean }[];
  readonly files: readonly { readonly name: string; readonly target: string }[];
  readonly tmpBytes: number;
  readonly hostname: string;
}

export const INSIDE_UID = 1000;
export const WORK_FOLDER = '/workspace';
export const HOME_FOLDER = '/home/agent';
/** Where the runner's own Node.js is seen. */
export const NODE_FOLDER = '/opt/writ/bin';
export const LAUNCHER_INSIDE = '/run/launcher';

/** Of /proc, what tells of the host or its other tenants, as runc masks it; what does not exist is skipped. */
export const MASKED_FILES = ['kcore', 'keys', 'key-users', 'timer_list', 'latency_stats', 'kallsyms'];
export const MASKED_FOLDERS = ['acpi', 'asound', 'scsi'];

/** The command line of bubblewrap. It is started as the sandbox's own user, never as root. */
export function bubblewrapArguments(view: View, exists: (path: string) => boolean): string[] {
  const at = (name: string): string => `${view.stage}/${name}`;
  return [
    view.bubblewrap,
    ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup'],
    ...['--disable-userns', '--uid', `${INSIDE_UID}`, '--gid', `${INSIDE_UID}`, '--hostname', view.hostname],
    ...['--die-with-parent', '--as-pid-1', '--new-session', '--cap-drop', 'ALL'],
    ...['--seccomp', `${FILTER_FD}`, '--info-fd', `${INFO_FD}`],
    ...view.system.flatMap((entry) =>
      'folder' in entry ? ['--ro-bind', entry.folder, entry.folder] : ['--symlink', entry.target, entry.link],
    ),
    ...['--ro-bind', at('etc'), '/etc'],
    ...['--proc', '/proc'],
    ...MASKED_FILES.filter((name) => exists(`/proc/${name}`)).flatMap((name) => [
      '--ro-bind',
      '/dev/null',
      `/proc/${name}`,
    ]),
    ...MASKED_FOLDERS.filter((name) => exists(`/proc/${name}`)).flatMap((name) => [
      ...['--size', '4096', '--tmpfs', `/proc/${name}`, '--remount-ro', `/proc/${name}`],
    ]),
    ...[
      '--dev',
      '/dev',
      '--perms',
      '1777',
      '--size',
      `${view.tmpBytes}`,
      '--tmpfs',
      '/dev/shm',
      '--remount-ro',
      '/dev',
    ],
    ...[
      '--perms',
      '1777',
      '--size',
      `${view.tmpBytes}`,
      '--tmpfs',
      '/tmp',
      '--dir',
      '/var',
      '--symlink',
      '/tmp',
      '/var/tmp',
    ],
    ...['--bind', at('workspace'), WORK_FOLDER, '--bind', at('disk/home'), HOME_FOLDER],
    ...view.folders.flatMap(({ name, target, writable }) => [writable ? '--bind' : '--ro-bind', at(name), target]),
    ...view.files.flatMap(({ name, target }) => ['--ro-bind', at(name), target]),
    ...['--remount-ro', '/', '--chdir', WORK_FOLDER, '--', LAUNCHER_INSIDE],
  ];
}
