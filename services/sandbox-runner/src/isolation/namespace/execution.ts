import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { constants as os } from 'node:os';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import type { CommandCgroup } from '../cgroups/cgroup-tree.js';
import type { ExecReason, ExecResult, Execution } from '../isolation.js';
import { KeeperEnded, type Keeper } from '../launcher/keeper.js';
import type { Assembled } from '../launcher/program.js';
import type { LauncherRecord } from '../launcher/records.js';
import { errnoName, O_NONBLOCK, SIGKILL } from '../linux.js';

/** What an execution needs of its sandbox. */
export interface ExecutionHost {
  readonly keeper: Keeper;
  readonly pipes: string;
  /** Whether nothing more can be written to the sandbox's disk. */
  diskFull(): Promise<boolean>;
  /** Whether the sandbox is being stopped; whatever fails then fails of that. */
  stopping(): boolean;
}

/** Names of the pipes of one process in the sandbox's folder of pipes. */
export interface PipeNames {
  readonly stdin?: string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecutionPlan {
  readonly id: number;
  readonly frame: Assembled;
  readonly names: PipeNames;
  readonly timeoutMs?: number;
  readonly cgroup?: CommandCgroup;
  /** What a refusal inside, before the program runs, looks like to the caller. */
  readonly onRefused?: (call: string, errno: string) => { exitCode: number; message: string };
}

/** How long output may still come from processes that the command left behind before it counts as theirs, not its. */
const LINGER_MS = 250;

/** How often a running process is looked at, should whoever was to tell of its end have been killed. */
const LOOK_MS = 2_000;

/** One process that the keeper started, from its pipes to the reason of its end. */
export class NamespaceExecution implements Execution {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly result: Promise<ExecResult>;
  /** The refusal of a call inside, for operations that are not programs. */
  refusal: { call: string; errno: string } | undefined;
  private readonly output = { stdout: new PassThrough(), stderr: new PassThrough() };
  private readonly input: PassThrough | undefined;
  private readonly closed: Promise<void>[] = [];
  private readonly sockets: net.Socket[] = [];
  private readonly started = performance.now();
  private killedFor: ExecReason | undefined;
  private deadline: NodeJS.Timeout | undefined;
  private readonly looking: NodeJS.Timeout;
  private missed = 0;
  private pid: number | undefined;
  private heard = 0;
  private stdinSocket: net.Socket | undefined;
  private settle!: { resolve(result: ExecResult): void; reject(error: Error): void };

  constructor(
    private readonly host: ExecutionHost,
    private readonly plan: ExecutionPlan,
  ) {
    this.stdout = this.output.stdout;
    this.stderr = this.output.stderr;
    this.input = plan.names.stdin === undefined ? undefined : new PassThrough();
    this.stdin = this.input;
    this.result = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    this.result.catch(() => undefined); // whoever waits hears it; nobody waiting is no crash
    if (plan.timeoutMs !== undefined) this.deadline = setTimeout(() => this.end('timeout'), plan.timeoutMs);
    this.looking = setInterval(() => this.look(), LOOK_MS).unref();
    host.keeper.send(plan.id, plan.frame, {
      onRecord: (record) => this.hear(record),
      onError: (error) => this.fail(error),
    });
  }

  kill(): void {
    this.end('cancelled');
  }

  /** The reason is the first that was given; what dies afterwards died of it. */
  private end(reason: ExecReason): void {
    this.killedFor ??= reason;
    if (this.plan.cgroup !== undefined) this.plan.cgroup.kill();
    else if (this.pid !== undefined) killGroup(this.pid);
  }

  private hear(record: LauncherRecord): void {
    if (record.kind === 'ready') this.connectOrFail();
    else if (record.kind === 'started') {
      this.pid = record.value;
      // Not before: had we written and closed it already, the other side would wait for a writer for ever.
      if (this.stdinSocket !== undefined) this.input?.pipe(this.stdinSocket);
      if (this.killedFor !== undefined) this.end(this.killedFor); // killed before it was born
    } else if (record.kind === 'refused') {
      this.refusal = { call: this.plan.frame.callAt(record.at) ?? 'a call', errno: errnoName(-record.value) };
    } else if (record.kind === 'exited') void this.finish(record.value & 0xffff);
  }

  /** A process that is gone, twice in a row, without a word: its waiter was killed, as for want of memory. */
  private look(): void {
    const gone = this.pid === undefined ? performance.now() - this.started > 10 * LOOK_MS : !exists(this.pid);
    this.missed = gone ? this.missed + 1 : 0;
    if (this.missed >= 2) void this.finish(SIGKILL);
  }

  private connectOrFail(): void {
    try {
      this.connect();
    } catch (error) {
      this.fail(error as Error); // the sandbox was stopped under us, or we are out of descriptors
    }
  }

  /** The other side waits until its pipes are open at both ends. */
  private connect(): void {
    const { names } = this.plan;
    const at = (name: string): string => path.join(this.host.pipes, name);
    for (const which of ['stdout', 'stderr'] as const) {
      const socket = new net.Socket({
        fd: fs.openSync(at(names[which]), fs.constants.O_RDONLY | O_NONBLOCK),
        readable: true,
        writable: false,
      });
      this.watch(socket);
      socket.pipe(this.output[which], { end: false });
    }
    if (names.stdin !== undefined && this.input !== undefined) {
      // Read and write, as opening it to write alone fails while the other side has not come to its end yet.
      const socket = new net.Socket({
        fd: fs.openSync(at(names.stdin), fs.constants.O_RDWR | O_NONBLOCK),
        readable: false,
        writable: true,
      });
      socket.on('error', () => undefined);
      this.stdinSocket = socket;
      this.sockets.push(socket);
    }
  }

  private watch(socket: net.Socket): void {
    this.sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => (this.heard = performance.now()));
    this.closed.push(new Promise((resolve) => socket.once('close', () => resolve())));
  }

  private async finish(status: number): Promise<void> {
    clearTimeout(this.deadline);
    clearInterval(this.looking);
    this.host.keeper.forget(this.plan.id);
    const outOfMemory = this.plan.cgroup?.outOfMemory ?? false;
    const ended = describe(status);
    const refused = this.refusal && this.plan.onRefused?.(this.refusal.call, this.refusal.errno);
    await this.drain();
    if (refused !== undefined) this.output.stderr.write(refused.message);
    this.close();
    this.plan.cgroup?.release();
    const failed = ended.exitCode !== 0;
    let reason: ExecReason = ended.signal === undefined ? 'exit' : 'signal';
    if (this.killedFor !== undefined) reason = this.killedFor;
    else if (this.host.stopping()) reason = 'stopped';
    else if (failed && outOfMemory) reason = 'oom';
    else if (failed && refused === undefined && (await this.host.diskFull())) reason = 'disk_full';
    const exitCode = refused?.exitCode ?? ended.exitCode;
    this.settle.resolve({ ...ended, exitCode, reason, durationMs: Math.round(performance.now() - this.started) });
  }

  private fail(error: Error): void {
    clearTimeout(this.deadline);
    clearInterval(this.looking);
    this.host.keeper.forget(this.plan.id);
    this.close();
    this.plan.cgroup?.kill();
    this.plan.cgroup?.release();
    if (error instanceof KeeperEnded || this.killedFor !== undefined || this.host.stopping()) {
      const reason = this.killedFor ?? 'stopped';
      this.settle.resolve({
        exitCode: 137,
        signal: 'SIGKILL',
        reason,
        durationMs: Math.round(performance.now() - this.started),
      });
    } else this.settle.reject(error);
  }

  /**
   * Waits for everything that the command wrote. What it left running in the background may hold the pipes open for ever, so
   * silence ends the wait; a reader of ours that is slow does not, as bytes that wait for it are the command's.
   */
  private async drain(): Promise<void> {
    let open = true;
    const all = Promise.all(this.closed).then(() => void (open = false));
    this.heard = performance.now();
    while (open && performance.now() - this.heard < LINGER_MS) {
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, LINGER_MS / 5))]);
      if (this.sockets.some((socket) => socket.readableFlowing === false && socket.readable))
        this.heard = performance.now();
    }
  }

  private close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.output.stdout.end();
    this.output.stderr.end();
    this.input?.destroy();
  }
}

function describe(status: number): { exitCode: number; signal?: string } {
  const number = status & 0x7f;
  if (number === 0) return { exitCode: status >> 8 };
  const signal = Object.entries(os.signals).find(([, value]) => value === number)?.[0] ?? `SIG${number}`;
  return { exitCode: 128 + number, signal };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it is gone
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
