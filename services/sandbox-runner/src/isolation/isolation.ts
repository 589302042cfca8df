import type { Readable, Writable } from 'node:stream';

/** What one sandbox may use. The limits hold for everything in it together. */
export interface Limits {
  readonly memoryMib: number;
  /** Processes and threads. */
  readonly processes: number;
  /** Thousandths of a core. */
  readonly cpuMilli: number;
  /** What can be written: the work folder's changes, the home folder. `/tmp` and `/dev/shm` are memory. */
  readonly diskMib: number;
}

/** How strongly sandboxes are isolated here, found by trying it. */
export interface Tier {
  /**
   * `namespace`: every layer, each sandbox under a host user of its own.
   * `namespace-rootless`: the runner is not root; sandboxes share its user, and memory and disk are bounded only by
   * what an ordinary user can bound.
   */
  readonly name: 'namespace' | 'namespace-rootless';
  /** The layers as they are on this host, such as `cgroup:hybrid`, `disk:loop`, `seccomp:1f0c93aa`. */
  readonly layers: readonly string[];
}

/** A folder that a sandbox sees besides its own. */
export interface MountSpec {
  /** A folder of the host, always read-only, or the image of a volume. */
  readonly source: { readonly folder: string } | { readonly volume: string };
  /** Where it appears; absolute. */
  readonly target: string;
  readonly writable: boolean;
}

export interface SandboxSpec {
  readonly id: string;
  readonly limits: Limits;
  /** What the work folder starts from; shared by all sandboxes of a commit, and not changed by any. */
  readonly checkout?: { readonly folder: string; readonly repository: string };
  readonly mounts: readonly MountSpec[];
}

export interface ExecSpec {
  readonly argv: readonly string[];
  /** Default: the work folder. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether `stdin` can be written; otherwise it is empty. */
  readonly stdin?: boolean;
  /** The process and all its descendants are killed after this long. */
  readonly timeoutMs?: number;
}

export type ExecReason = 'exit' | 'signal' | 'timeout' | 'oom' | 'disk_full' | 'cancelled' | 'stopped';

export interface ExecResult {
  /** As a shell gives it: 128 + the signal where there was one, 127 where there is no such program. */
  readonly exitCode: number;
  readonly signal?: string;
  readonly reason: ExecReason;
  readonly durationMs: number;
}

/** One process in a sandbox. Its output must be read or `discard`ed, as the process waits when nobody does. */
export interface Execution {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process is gone and its output is complete; rejects only when it could not be started at all. */
  readonly result: Promise<ExecResult>;
  /** Kills the process with all its descendants. */
  kill(): void;
}

export interface FileEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** Files as a process of the sandbox sees them: links and `..` lead nowhere that such a process could not go. */
export interface SandboxFiles {
  /** Throws `FileRefusal` with `EFBIG` beyond `maxBytes`. */
  read(path: string, maxBytes: number): Promise<Buffer>;
  write(path: string, data: Uint8Array): Promise<void>;
  list(path: string): Promise<FileEntry[]>;
  stat(path: string): Promise<FileEntry>;
  /** With parents; a folder that exists is a success. */
  mkdir(path: string): Promise<void>;
  /** With everything in it; nothing there is a success. */
  rm(path: string): Promise<void>;
}

/** The sandbox's own system refused an operation on a file; `errno` is its name, such as `ENOENT`. */
export class FileRefusal extends Error {
  constructor(
    readonly errno: string,
    readonly path: string,
  ) {
    super(`${path}: ${errno}`);
    this.name = 'FileRefusal';
  }
}

/** A running sandbox. */
export interface IsolatedSandbox {
  readonly id: string;
  /** The host user that it runs as. */
  readonly uid: number;
  /** Facts of this one sandbox, beyond the tier's. */
  readonly layers: readonly string[];
  readonly files: SandboxFiles;
  exec(spec: ExecSpec): Execution;
  /** Ends it and frees all it held; resolves when nothing is left. A repeat waits for the same end. */
  stop(): Promise<void>;
  /** Resolves when it ended by itself, which is a crash; never after `stop`. */
  readonly crashed: Promise<void>;
}

/** What an earlier runner left behind and is gone now. */
export interface Reaped {
  readonly processes: number;
  readonly cgroups: number;
  readonly folders: number;
}

/** The port to whatever isolates sandboxes on this host. */
export interface IsolationDriver {
  readonly tier: Tier;
  readonly reaped: Reaped;
  /** Resolves when commands can run. Throws when the host cannot give what was asked; nothing is left then. */
  create(spec: SandboxSpec): Promise<IsolatedSandbox>;
  /** Stops every sandbox. */
  close(): Promise<void>;
}

/** The host cannot isolate as it was asked to; `reasons` says what is missing. */
export class IsolationUnavailable extends Error {
  constructor(
    readonly reasons: readonly string[],
    options?: ErrorOptions,
  ) {
    super(`sandboxes cannot be isolated here: ${reasons.join('; ')}`, options);
    this.name = 'IsolationUnavailable';
  }
}
