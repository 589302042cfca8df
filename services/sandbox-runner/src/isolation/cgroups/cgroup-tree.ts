import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Limits } from '../isolation.js';
import { findHierarchies, type Hierarchies } from './hierarchies.js';

const CPU_PERIOD_US = 100_000;
/** The runner's own processes in a sandbox's groups: keeper, bubblewrap, init, and a waiter for each of a few commands. */
const OWN_PROCESSES = 8;
const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;

/**
 * The control groups of one runner. A sandbox has one group in each hierarchy that limits it, and on version 2 below that the
 * leaves `keeper`, `box` (everything inside that is not a command) and one for each command.
 */
export class CgroupTree {
  private constructor(
    readonly hierarchies: Hierarchies,
    private readonly name: string,
  ) {}

  /** Finds or makes the groups of this runner. Throws an error whose message says what the host lacks. */
  static open(name: string): CgroupTree {
    const read = (file: string): string => fs.readFileSync(file, 'utf8');
    const found = findHierarchies(read('/proc/self/mountinfo'), read('/proc/self/cgroup'), (folder) =>
      words(read(path.join(folder, 'cgroup.controllers'))),
    );
    if ('missing' in found) throw new Error(found.missing);
    const tree = new CgroupTree(withRoom(found), name);
    for (const folder of tree.folders()) fs.mkdirSync(folder, { recursive: true });
    if (tree.unifiedHasControllers) enable(tree.base('unified'));
    return tree;
  }

  /** The groups of a new sandbox, without limits yet. */
  create(sandbox: string): SandboxCgroup {
    const at = (controller: (typeof CONTROLLERS)[number] | 'unified'): string =>
      path.join(this.base(controller), sandbox);
    for (const folder of this.folders()) fs.mkdirSync(path.join(folder, sandbox), { recursive: true });
    if (this.unifiedHasControllers) enable(at('unified'));
    for (const leaf of ['keeper', 'box']) fs.mkdirSync(path.join(at('unified'), leaf), { recursive: true });
    return new SandboxCgroup(
      this.hierarchies,
      { memory: at('memory'), pids: at('pids'), cpu: at('cpu'), unified: at('unified') },
      this.folders().map((folder) => path.join(folder, sandbox)),
    );
  }

  /** Kills and removes the groups of every sandbox that is still there; says how many processes and groups that were. */
  async reap(): Promise<{ processes: number; cgroups: number }> {
    const names = new Set(this.folders().flatMap((folder) => subfolders(folder)));
    let processes = 0;
    for (const name of names) {
      const group = this.create(name);
      processes += group.processes().length;
      await group.remove();
    }
    return { processes, cgroups: names.size };
  }

  /** Removes the runner's own groups; sandboxes must be gone. */
  close(): void {
    for (const folder of this.folders()) removeFolder(folder);
  }

  private get unifiedHasControllers(): boolean {
    return CONTROLLERS.some((controller) => this.hierarchies[controller].version === 2);
  }

  private base(controller: (typeof CONTROLLERS)[number] | 'unified'): string {
    const folder = controller === 'unified' ? this.hierarchies.unified : this.hierarchies[controller].folder;
    return path.join(folder, this.name);
  }

  private folders(): string[] {
    return [...new Set([...CONTROLLERS, 'unified' as const].map((controller) => this.base(controller)))];
  }
}

/** The groups of one sandbox. */
export class SandboxCgroup {
  constructor(
    private readonly hierarchies: Hierarchies,
    private readonly at: Record<(typeof CONTROLLERS)[number] | 'unified', string>,
    private readonly folders: readonly string[],
  ) {}

  /** What the keeper writes itself into; what it forks stays there. */
  get procsFiles(): string[] {
    const limited = CONTROLLERS.filter((controller) => this.hierarchies[controller].version === 1);
    const folders = new Set([
      ...limited.map((controller) => this.at[controller]),
      path.join(this.at.unified, 'keeper'),
    ]);
    return [...folders].map((folder) => path.join(folder, 'cgroup.procs'));
  }

  get box(): string {
    return path.join(this.at.unified, 'box');
  }

  /** Lets the sandbox's user be born into the leaves of its commands; nothing inside sees these files. */
  delegate(uid: number): void {
    fs.chownSync(path.join(this.at.unified, 'cgroup.procs'), uid, uid);
  }

  limit({ memoryMib, processes, cpuMilli }: Limits): void {
    const { memory, cpu } = this.hierarchies;
    const bytes = String(memoryMib * 1024 * 1024);
    const write = (folder: string, file: string, value: string): void =>
      fs.writeFileSync(path.join(folder, file), value);
    write(this.at.memory, memory.version === 2 ? 'memory.max' : 'memory.limit_in_bytes', bytes);
    const [swap, amount] = memory.version === 2 ? ['memory.swap.max', '0'] : ['memory.memsw.limit_in_bytes', bytes];
    if (fs.existsSync(path.join(this.at.memory, swap))) write(this.at.memory, swap, amount);
    write(this.at.pids, 'pids.max', String(processes + OWN_PROCESSES));
    const quota = Math.max(1000, (cpuMilli * CPU_PERIOD_US) / 1000);
    if (cpu.version === 2) write(this.at.cpu, 'cpu.max', `${quota} ${CPU_PERIOD_US}`);
    else {
      write(this.at.cpu, 'cpu.cfs_period_us', String(CPU_PERIOD_US));
      try {
        write(this.at.cpu, 'cpu.cfs_quota_us', String(quota));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
        // More than a group above has: that one holds it to less. Version 2 takes such a number, to the same effect.
        write(this.at.cpu, 'cpu.cfs_quota_us', '-1');
      }
    }
  }

  /** A leaf for one command and all that it starts. */
  leaf(name: string, uid: number): CommandCgroup {
    const folder = path.join(this.at.unified, name);
    fs.mkdirSync(folder);
    fs.chownSync(path.join(folder, 'cgroup.procs'), uid, uid);
    const counter =
      this.hierarchies.memory.version === 2
        ? path.join(folder, 'memory.events')
        : path.join(this.at.memory, 'memory.oom_control');
    return new CommandCgroup(folder, counter);
  }

  processes(): number[] {
    const groups = this.folders.flatMap((folder) => [
      folder,
      ...subfolders(folder).map((leaf) => path.join(folder, leaf)),
    ]);
    return [...new Set(groups.flatMap(processesOf))];
  }

  /** SIGKILL to everything inside; the keeper stays, to reap it. */
  killInside(): void {
    for (const leaf of subfolders(this.at.unified)) if (leaf !== 'keeper') kill(path.join(this.at.unified, leaf));
  }

  /** Kills whatever is left, waits until it is gone, and removes the groups. Throws when something does not die in 10 s. */
  async remove(): Promise<void> {
    const deadline = Date.now() + 10_000;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
      for (const leaf of subfolders(this.at.unified)) kill(path.join(this.at.unified, leaf));
      const left = this.processes();
      if (left.length === 0 && this.folders.every(removeFolder)) return;
      for (const pid of left) signal(pid);
      if (Date.now() > deadline) throw new Error(`processes ${left.join(', ')} of a sandbox do not die`);
      await delay(waitMs);
    }
  }
}

/** The group of one command. */
export class CommandCgroup {
  private readonly oomKillsBefore: number;

  constructor(
    readonly folder: string,
    private readonly counter: string,
  ) {
    this.oomKillsBefore = this.oomKills();
  }

  kill(): void {
    kill(this.folder);
  }

  /** Whether the kernel killed something for want of memory since the command began (version 1: in the whole sandbox). */
  get outOfMemory(): boolean {
    return this.oomKills() > this.oomKillsBefore;
  }

  /** Removes it unless the command left processes behind, which live on with the sandbox. */
  release(): void {
    removeFolder(this.folder);
  }

  private oomKills(): number {
    try {
      return Number(/oom_kill (\d+)/.exec(fs.readFileSync(this.counter, 'utf8'))?.[1] ?? 0);
    } catch {
      return 0; // the sandbox is gone
    }
  }
}

/**
 * Version 2 forbids processes beside groups with controllers. At the true root that does not hold, so groups are made there;
 * in a container the processes of our own group move into a leaf first.
 */
function withRoom(found: Hierarchies): Hierarchies {
  if (found.mode !== 'v2') return found;
  const isRoot = (folder: string): boolean => !fs.existsSync(path.join(folder, 'cgroup.events'));
  let folder = found.unified;
  while (!isRoot(folder) && fs.existsSync(path.join(folder, '..', 'cgroup.procs'))) folder = path.dirname(folder);
  try {
    enable(folder);
  } catch {
    const leaf = path.join(folder, 'writ-host');
    fs.mkdirSync(leaf, { recursive: true });
    for (const pid of processesOf(folder)) fs.writeFileSync(path.join(leaf, 'cgroup.procs'), String(pid));
    enable(folder);
  }
  const at = { version: 2, folder } as const;
  return { mode: 'v2', memory: at, pids: at, cpu: at, unified: folder };
}

function enable(folder: string): void {
  const wanted = CONTROLLERS.map((controller) => `+${controller}`).join(' ');
  fs.writeFileSync(path.join(folder, 'cgroup.subtree_control'), wanted);
}

function kill(folder: string): void {
  try {
    fs.writeFileSync(path.join(folder, 'cgroup.kill'), '1');
  } catch {
    for (const pid of processesOf(folder)) signal(pid); // before Linux 5.14
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

function processesOf(folder: string): number[] {
  try {
    return words(fs.readFileSync(path.join(folder, 'cgroup.procs'), 'utf8')).map(Number);
  } catch {
    return [];
  }
}

function subfolders(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder, { withFileTypes: true })
      .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

/** Whether the group and those below it are gone. A group can be removed when its last process has been reaped. */
function removeFolder(folder: string): boolean {
  try {
    for (const below of subfolders(folder)) fs.rmdirSync(path.join(folder, below));
    fs.rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
