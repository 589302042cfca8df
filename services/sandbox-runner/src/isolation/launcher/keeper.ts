import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import type { Duplex } from 'node:stream';
import { errnoName } from '../linux.js';
import type { Architecture } from '../seccomp/syscalls.js';
import { keeperProgram, LAUNCH_ID } from './keeper.program.js';
import type { Assembled } from './program.js';
import { decodeRecords, type LauncherRecord } from './records.js';

/** A system call of the launcher that failed; `errno` is its name, such as `ENOENT`. */
export class LauncherError extends Error {
  constructor(
    readonly call: string,
    readonly errno: string,
    /** What it was about, in the host's own paths: for the operator, not for agents. */
    readonly about: string,
  ) {
    super(`${call} failed: ${errno}`);
    this.name = 'LauncherError';
  }
}

/** The keeper's process is gone, and with it everything in its sandbox. */
export class KeeperEnded extends Error {
  constructor() {
    super('the sandbox has ended');
    this.name = 'KeeperEnded';
  }
}

/** A system call that does not come back: mounts and exits wait for the disk, for which there is no bound but this. */
export class KeeperStuck extends Error {
  constructor(what: string, pid: number | undefined) {
    super(`${what} did not end within ${BOUND_MS / 1000} s; process ${pid} is ${whereabouts(pid)}`);
    this.name = 'KeeperStuck';
  }
}

const BOUND_MS = 15_000;

/** Hears the records of one frame, and the end of the keeper if that comes first. */
export interface FrameListener {
  onRecord(record: LauncherRecord): void;
  onError(error: Error): void;
}

/** The runner's side of one keeper process (see `keeper.program.ts`). */
export class Keeper {
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<void>;
  private readonly child: ChildProcess;
  private readonly channel: Duplex;
  private readonly frames = new Map<number, { listener: FrameListener; assembled: Assembled }>();
  private received: Buffer = Buffer.alloc(0);
  private ended = false;
  private nextId = LAUNCH_ID + 1;

  private constructor(launcher: string) {
    // Its own session: a Ctrl-C at the runner's terminal is the runner's to handle.
    this.child = spawn(launcher, [], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: {},
      cwd: '/',
      detached: true,
    });
    this.channel = this.child.stdio[3] as Duplex;
    this.channel.on('data', (chunk: Buffer) => this.receive(chunk));
    this.channel.on('error', () => undefined); // the exit tells
    this.exited = new Promise((resolve) => {
      const end = (error?: Error): void => {
        this.tell(error ?? new KeeperEnded());
        resolve();
      };
      this.child.on('error', end);
      this.child.on('exit', () => end());
    });
  }

  /** Starts a keeper and waits until it is in its cgroups. Throws `LauncherError`, or what spawning it threw. */
  static async start(launcher: string, architecture: Architecture, procsFiles: readonly string[]): Promise<Keeper> {
    const keeper = new Keeper(launcher);
    const assembled = keeperProgram(architecture, procsFiles).assemble();
    const prepared = new Promise<void>((resolve, reject) => {
      keeper.frames.set(0, { assembled, listener: { onRecord: () => resolve(), onError: reject } });
      keeper.channel.write(assembled.bytes);
    });
    await keeper.bounded('the start of a sandbox keeper', prepared).finally(() => keeper.forget(0));
    return keeper;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** A number for the next frame, which its records carry. */
  allocate(): number {
    return this.nextId++;
  }

  /** Sends a frame; the listener hears its records until `forget`. */
  send(id: number, assembled: Assembled, listener: FrameListener): void {
    if (this.ended) {
      listener.onError(new KeeperEnded());
      return;
    }
    this.frames.set(id, { assembled, listener });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(assembled.bytes.length));
    this.channel.write(Buffer.concat([length, assembled.bytes]));
  }

  /** Sends a frame and waits for its first record, which is the frame's success. */
  perform(build: (id: number) => Assembled): Promise<LauncherRecord> {
    const id = this.allocate();
    const performed = new Promise<LauncherRecord>((resolve, reject) => {
      this.send(id, build(id), { onRecord: resolve, onError: reject });
    });
    return this.bounded('a frame of a sandbox keeper', performed).finally(() => this.forget(id));
  }

  forget(id: number): void {
    this.frames.delete(id);
  }

  /** SIGKILL; everything that it forked dies with it. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Kills it and waits until it is gone. @throws KeeperStuck */
  async end(): Promise<void> {
    this.kill();
    await this.bounded('the end of a sandbox keeper', this.exited);
  }

  private async bounded<T>(what: string, done: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new KeeperStuck(what, this.pid)), BOUND_MS);
    });
    return Promise.race([done, late]).finally(() => clearTimeout(timer));
  }

  /** The process does not keep the runner alive. */
  unref(): void {
    this.child.unref();
  }

  private receive(chunk: Buffer): void {
    let decoded: ReturnType<typeof decodeRecords>;
    try {
      decoded = decodeRecords(this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]));
    } catch {
      this.kill(); // only the launcher's own programs write here; whatever this is, nothing more is to be believed
      return;
    }
    const { records, rest } = decoded;
    this.received = rest;
    for (const record of records) {
      const frame = this.frames.get(record.id);
      if (frame === undefined) continue; // forgotten: nobody waits for it any more
      if (record.kind === 'failed') {
        const call = frame.assembled.callAt(record.at) ?? 'a system call';
        frame.listener.onError(new LauncherError(call, errnoName(-record.value), frame.assembled.textsAt(record.at)));
      } else frame.listener.onRecord(record);
    }
  }

  private tell(error: Error): void {
    this.ended = true;
    for (const { listener } of [...this.frames.values()]) listener.onError(error);
    this.frames.clear();
  }
}

/** Where the kernel has it, for whoever must find out why. */
function whereabouts(pid: number | undefined): string {
  try {
    const { 2: state = '?' } = /^(\d+) \(.*\) (\S)/s.exec(fs.readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    const stack = fs.readFileSync(`/proc/${pid}/stack`, 'utf8').trim().split('\n').slice(0, 6).join(' ');
    return `in state ${state}: ${stack}`;
  } catch (error) {
    return `not to be seen (${(error as Error).message})`;
  }
}
