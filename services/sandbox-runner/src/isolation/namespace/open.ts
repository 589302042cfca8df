import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { CgroupTree } from '../cgroups/cgroup-tree.js';
import { IsolationUnavailable, type Limits, type Reaped, type Tier } from '../isolation.js';
import { launcherImage } from '../launcher/image.js';
import { LauncherError } from '../launcher/keeper.js';
import { initProgram } from '../launcher/keeper.program.js';
import { encode } from '../seccomp/bpf.js';
import { sandboxFilter } from '../seccomp/filter.js';
import type { Architecture } from '../seccomp/syscalls.js';
import { INSIDE_UID } from './bubblewrap.js';
import { DiskImages } from './disks.js';
import { takeName } from './host-lock.js';
import type { NamespaceHost } from './host.js';
import { ALIVE_FD, INIT_CHANNEL } from './launch.program.js';
import { removeIdleLoopDevices } from './loop-devices.js';
import { NamespaceDriver } from './namespace.driver.js';
import { writeEtc } from './system.js';
import { Uids } from './uids.js';
import { Volumes } from './volumes.js';

export interface NamespaceOptions {
  /** The runner's own folder; no two runners may share it. */
  readonly folder: string;
  readonly bubblewrap?: string;
  /** Slots kept ready; default 2. */
  readonly ready?: number;
  /** The limits that most sandboxes have. */
  readonly limits: Limits;
  readonly volumeMib: number;
}

const ROOT_STAGE = '/run/writ/stage';
const SELF_TEST_MS = 10_000;

/**
 * Opens the namespace driver: reaps what an earlier runner of the same folder left, prepares what sandboxes share, and
 * runs one sandbox to see that every layer is really there. Throws `IsolationUnavailable` with what is missing.
 */
export async function openNamespaceDriver(options: NamespaceOptions): Promise<NamespaceDriver> {
  const architecture = architectureHere();
  const bubblewrap = findBubblewrap(options.bubblewrap);
  fs.mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const folder = fs.realpathSync(options.folder);
  const instance = instanceName(folder);
  const lock = await takeName(`runner/${instance}`);
  if (lock === undefined) throw new IsolationUnavailable([`another runner uses ${folder}`]);
  const isRoot = process.getuid?.() === 0;
  let uids: Uids | undefined;
  let cgroups: CgroupTree | undefined;
  let sweep = async (): Promise<void> => undefined;
  const release = async (): Promise<void> => {
    await sweep();
    cgroups?.close();
    uids?.release();
    lock.release();
  };
  try {
    if (isRoot) {
      cgroups = openCgroups(instance);
      uids = await Uids.claim();
    }
    const reaped = await reap(folder, cgroups);
    const host = prepareHost({ architecture, bubblewrap, folder, isRoot });
    const images = isRoot && hasLoopDevices() ? new DiskImages(path.join(folder, 'templates')) : undefined;
    const claimed = uids;
    if (claimed && images)
      sweep = () => removeIdleLoopDevices(host.launcher, architecture, (device) => claimed.ownsDevice(device));
    await sweep();
    const root = cgroups && uids ? { cgroups, uids, ...(images ? { images } : {}) } : undefined;
    const complete: NamespaceHost = { ...host, ...(root ? { root } : {}) };
    const driver = new NamespaceDriver({
      host: complete,
      tier: describe(complete),
      reaped,
      volumes: images && new Volumes(path.join(folder, 'volumes'), images, options.volumeMib),
      ready: options.ready ?? 2,
      limits: options.limits,
      release,
    });
    await selfTest(driver, options.limits, folder).catch(async (error: unknown) => {
      await driver.close();
      throw error;
    });
    return driver;
  } catch (error) {
    await release();
    throw error instanceof IsolationUnavailable
      ? error
      : new IsolationUnavailable([explained(error as Error, folder)], { cause: error });
  }
}

/** What the groups of a runner are called, by its folder. */
export const instanceName = (folder: string): string =>
  `writ-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;

/** What most often is in the way, said with what to do about it. */
function explained(error: Error, folder: string): string {
  if (!(error instanceof LauncherError)) return error.message;
  if (error.call === 'mount_setattr')
    return `files in ${folder} cannot be given to a sandbox's user (${error.message}): idmapped mounts need Linux 5.19 and a file system such as ext4, xfs or btrfs; set WRIT_DATA`;
  if (error.call === 'unshare' || error.call === 'clone3')
    return `namespaces cannot be made here (${error.message}): in a container that takes CAP_SYS_ADMIN, elsewhere unprivileged user namespaces`;
  return `${error.message} (${error.about})`;
}

function architectureHere(): Architecture {
  if (process.platform !== 'linux') throw new IsolationUnavailable([`${process.platform} has no Linux namespaces`]);
  if (process.arch === 'x64') return 'x86_64';
  if (process.arch === 'arm64') return 'aarch64';
  throw new IsolationUnavailable([`the launcher is not written for ${process.arch}`]);
}

function findBubblewrap(configured: string | undefined): string {
  const candidates = configured === undefined ? ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'] : [configured];
  const found = candidates.find((file) => fs.existsSync(file));
  if (found === undefined)
    throw new IsolationUnavailable(['bubblewrap is not installed (Debian: apt-get install bubblewrap)']);
  return found;
}

function openCgroups(instance: string): CgroupTree {
  try {
    return CgroupTree.open(instance);
  } catch (error) {
    throw new IsolationUnavailable([`control groups: ${(error as Error).message}`]);
  }
}

const hasLoopDevices = (): boolean =>
  fs.existsSync('/dev/loop-control') && ['/usr/sbin', '/sbin'].some((folder) => fs.existsSync(`${folder}/mkfs.ext4`));

/** Mounts and loop devices went with the processes that held them; processes, groups and folders are ended here. */
async function reap(folder: string, cgroups: CgroupTree | undefined): Promise<Reaped> {
  const { processes, cgroups: groups } = (await cgroups?.reap()) ?? { processes: 0, cgroups: 0 };
  const live = path.join(folder, 'live');
  const folders = fs.existsSync(live) ? fs.readdirSync(live).length : 0;
  fs.rmSync(live, { recursive: true, force: true });
  return { processes, cgroups: groups, folders };
}

function prepareHost(given: {
  architecture: Architecture;
  bubblewrap: string;
  folder: string;
  isRoot: boolean;
}): NamespaceHost {
  const { architecture, bubblewrap, folder, isRoot } = given;
  const shared = path.join(folder, 'shared');
  const filter = encode(sandboxFilter(architecture));
  const file = (name: string, content: Uint8Array, mode: number): string => {
    const target = path.join(shared, name);
    // A running executable cannot be written to, but it can be replaced.
    fs.writeFileSync(`${target}.new`, content, { mode });
    fs.chmodSync(`${target}.new`, mode);
    fs.renameSync(`${target}.new`, target);
    return target;
  };
  fs.mkdirSync(shared, { recursive: true, mode: 0o755 });
  const stage = isRoot ? ROOT_STAGE : path.join(folder, 'stage');
  fs.mkdirSync(stage, { recursive: true, mode: 0o755 });
  const etc = path.join(shared, 'etc');
  writeEtc(etc);
  const limits = fs.readFileSync('/proc/self/limits', 'utf8');
  const openFiles = Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1] ?? 4096);
  return {
    architecture,
    bubblewrap,
    stage,
    live: path.join(folder, 'live'),
    launcher: file('launcher', launcherImage(architecture), 0o755),
    initProgram: file('init.program', initProgram(architecture, INIT_CHANNEL, ALIVE_FD).assemble().bytes, 0o644),
    filterFile: file('filter.bpf', filter, 0o644),
    filter,
    etc,
    node: fs.realpathSync(process.execPath),
    openFiles: Math.min(openFiles, 65536),
  };
}

function describe(host: NamespaceHost): Tier {
  const filter = `seccomp:${createHash('sha256').update(host.filter).digest('hex').slice(0, 12)}`;
  const common = [
    'user,pid,mount,network,ipc,uts,cgroup-namespace',
    'no-capabilities',
    'no-new-privileges',
    filter,
    'network:none',
  ];
  return host.root === undefined
    ? { name: 'namespace-rootless', layers: ['uid:shared', ...common, 'limits:rlimit', 'disk:memory'] }
    : {
        name: 'namespace',
        layers: [
          `uid:${host.root.uids.range}`,
          ...common,
          `cgroup:${host.root.cgroups.hierarchies.mode}`,
          `disk:${host.root.images === undefined ? 'memory' : 'ext4-loop'}`,
        ],
      };
}

/** A layer that is configured but not in force is worse than none, so one sandbox is asked what it is. */
async function selfTest(driver: NamespaceDriver, limits: Limits, folder: string): Promise<void> {
  const checkout = path.join(folder, 'shared', 'empty');
  fs.mkdirSync(checkout, { recursive: true, mode: 0o755 });
  const sandbox = await driver.create({
    id: 'self-test',
    limits,
    mounts: [],
    checkout: { folder: checkout, repository: checkout },
  });
  const execution = sandbox.exec({ argv: ['cat', '/proc/self/status'], timeoutMs: SELF_TEST_MS });
  let said = '';
  execution.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  execution.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const result = await execution.result;
  await sandbox.stop();
  const expected: Readonly<Record<string, RegExp>> = {
    'a command does not run': /^Name:\tcat$/m,
    'capabilities are left': /^CapPrm:\t0+\nCapEff:\t0+\nCapBnd:\t0+\nCapAmb:\t0+$/m,
    'privileges can be gained': /^NoNewPrivs:\t1$/m,
    'no filter is in force': /^Seccomp:\t2$/m,
    'it does not run as its own user': new RegExp(`^Uid:\\t${INSIDE_UID}\\t`, 'm'),
  };
  const missing = Object.entries(expected).flatMap(([what, pattern]) => (pattern.test(said) ? [] : [what]));
  if (missing.length > 0 || result.exitCode !== 0)
    throw new IsolationUnavailable([...missing, ...(said.length < 500 ? [said.trim()] : [])]);
}
