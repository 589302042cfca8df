import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { statfs } from 'node:fs/promises';
import type { ExecSpec, IsolatedSandbox, SandboxFiles, SandboxSpec } from '../isolation.js';
import type { Program } from '../launcher/program.js';
import * as linux from '../linux.js';
import { HOME_FOLDER, NODE_FOLDER, WORK_FOLDER } from './bubblewrap.js';
import { enterFrame, executeFrame, type EnterPlan } from './enter.program.js';
import { NamespaceExecution, type PipeNames } from './execution.js';
import { NamespaceFiles } from './files.js';
import type { NamespaceHost } from './host.js';
import { ALIVE_PIPE } from './launch.program.js';
import { freeSlot, type Slot } from './slot.js';

const ENVIRONMENT = {
  PATH: `${NODE_FOLDER}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin`,
  HOME: HOME_FOLDER,
  USER: 'agent',
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
} as const;
const FILE_TIMEOUT_MS = 60_000;
/** What V8 reserves without ever using it; a limit on what a process may map has to leave room for that. */
const RESERVED_MIB = 2048;

/** What was launched in a slot. */
export interface Launched {
  readonly spec: SandboxSpec;
  /** The first process inside, by its number on the host. */
  readonly initPid: number;
  readonly onFreed: () => void;
}

/** A sandbox that runs in a slot. */
export class NamespaceSandbox implements IsolatedSandbox {
  readonly files: SandboxFiles;
  readonly crashed: Promise<void>;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly host: NamespaceHost,
    private readonly slot: Slot,
    private readonly launched: Launched,
  ) {
    this.files = new NamespaceFiles(
      (inside, options) => this.enter(inside, options),
      (request) => this.exec(request),
    );
    this.crashed = this.watch();
  }

  get id(): string {
    return this.launched.spec.id;
  }
  get uid(): number {
    return this.slot.uid;
  }
  get layers(): readonly string[] {
    return [`uid:${this.slot.uid}`];
  }

  exec(spec: ExecSpec): NamespaceExecution {
    const [name] = spec.argv;
    if (name === undefined || name === '') throw new RangeError('a command needs a name');
    const env = { ...ENVIRONMENT, ...spec.env };
    const command = { argv: spec.argv, env, cwd: spec.cwd ?? WORK_FOLDER, paths: candidates(name, env.PATH) };
    return this.start(
      spec.stdin ?? false,
      spec.timeoutMs,
      (plan, id) => executeFrame(plan, id, command),
      (call, errno) =>
        call === 'chdir'
          ? { exitCode: 126, message: `cannot enter ${command.cwd}: ${errno}\n` }
          : { exitCode: errno === 'ENOENT' ? 127 : 126, message: `cannot run ${name}: ${errno}\n` },
    );
  }

  stop(): Promise<void> {
    this.stopping ??= freeSlot(this.host, this.slot).finally(this.launched.onFreed);
    return this.stopping;
  }

  private enter(inside: (program: Program) => void, options: { stdin?: boolean } = {}): NamespaceExecution {
    return this.start(options.stdin ?? false, FILE_TIMEOUT_MS, (plan, id) => enterFrame(plan, id, inside));
  }

  private start(
    stdin: boolean,
    timeoutMs: number | undefined,
    frame: (plan: EnterPlan, id: number) => ReturnType<typeof enterFrame>,
    onRefused?: (call: string, errno: string) => { exitCode: number; message: string },
  ): NamespaceExecution {
    const { keeper, cgroup, folder, uid } = this.slot;
    const id = keeper.allocate();
    const names: PipeNames = { stdout: `${id}.out`, stderr: `${id}.err`, ...(stdin ? { stdin: `${id}.in` } : {}) };
    const leaf = this.stopping === undefined ? cgroup?.leaf(`c${id}`, uid) : undefined;
    const plan: EnterPlan = {
      architecture: this.host.architecture,
      filter: this.host.filter,
      limits: this.processLimits(),
      ...names,
      ...(leaf === undefined ? {} : { cgroup: leaf.folder }),
    };
    const host = {
      keeper,
      pipes: path.join(folder, 'pipes'),
      diskFull: () => this.diskFull(),
      stopping: () => this.stopping !== undefined,
    };
    return new NamespaceExecution(host, {
      id,
      names,
      frame: frame(plan, id),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(leaf === undefined ? {} : { cgroup: leaf }),
      ...(onRefused === undefined ? {} : { onRefused }),
    });
  }

  /** What each process may use by itself; without control groups these are the only limits there are. */
  private processLimits(): EnterPlan['limits'] {
    const { memoryMib, processes } = this.launched.spec.limits;
    const always = [
      { resource: linux.RLIMIT_CORE, value: 0 },
      { resource: linux.RLIMIT_NOFILE, value: this.host.openFiles },
    ];
    if (this.slot.cgroup !== undefined) return always;
    return [
      ...always,
      { resource: linux.RLIMIT_NPROC, value: processes },
      { resource: linux.RLIMIT_DATA, value: (memoryMib + RESERVED_MIB) * 1024 * 1024 },
    ];
  }

  /** Looked at through mount points inside, which a process of the sandbox can neither move nor replace. */
  private async diskFull(): Promise<boolean> {
    const full = [HOME_FOLDER, '/tmp', '/dev/shm'].map(async (folder) => {
      const { bavail, ffree } = await statfs(`/proc/${this.launched.initPid}/root${folder}`);
      return bavail < 4 || ffree === 0;
    });
    const looked = await Promise.allSettled(full); // it fails when the sandbox is gone
    return looked.some((look) => look.status === 'fulfilled' && look.value);
  }

  /** The first process holds a pipe open; its end is the end of every process inside. */
  private watch(): Promise<void> {
    const alive = path.join(this.slot.folder, 'pipes', ALIVE_PIPE);
    const fd = fs.openSync(alive, fs.constants.O_RDONLY | linux.O_NONBLOCK);
    fs.unlinkSync(alive);
    const socket = new net.Socket({ fd, readable: true, writable: false });
    socket.unref();
    socket.on('error', () => undefined);
    socket.resume();
    return new Promise((resolve) => socket.once('close', () => this.stopping === undefined && resolve()));
  }
}

/** Where a name without a slash may be found, as execvp does it. */
function candidates(name: string, searchPath: string): string[] {
  if (name.includes('/')) return [name];
  const folders = searchPath.split(':').filter((folder) => folder !== '');
  return folders.length === 0 ? [`/usr/bin/${name}`] : folders.map((folder) => `${folder}/${name}`);
}
