import type * as nodeFs from 'node:fs/promises';
import type { CallOptions } from '../define/context.js';
import type { Duration } from '../define/duration.js';

/** What a sandbox is made of. */
export interface SandboxOptions {
  name?: string;
  image?: string;
  /** `none` (default), or the hosts it may reach. */
  network?: 'none' | readonly string[];
  /** Lifetime; default 15 minutes. A sandbox of a run ends with the run at the latest. */
  keep?: Duration;
  /** An artifact, `art_…` or `art_…@<commit>`: its files are in the work folder. */
  from?: string;
}

/** How a command ended. */
export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
  reason: 'exit' | 'signal' | 'timeout' | 'oom' | 'denied' | 'disk_full' | 'stopped';
}

/** A piece of a command's output. */
export interface ExecOutput {
  stream: 'stdout' | 'stderr';
  text: string;
}

/** A running command: iterate its output, or await its `result()`, or both. A non-zero exit code is a result, not an error. */
export interface Exec extends AsyncIterable<ExecOutput> {
  result(): Promise<ExecResult>;
}

/** How a command is run. */
export interface ExecOptions extends CallOptions {
  /** Default: the work folder. */
  cwd?: string;
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
}

/** The part of `node:fs/promises` that works on the files of a sandbox. */
export type SandboxFs = Pick<typeof nodeFs, 'readFile' | 'writeFile' | 'readdir' | 'mkdir' | 'rm' | 'stat'>;

/** A Linux environment of its own. `await using` stops it. */
export interface Sandbox extends AsyncDisposable {
  readonly id: string;
  readonly fs: SandboxFs;
  /** Runs a program; no shell between. Aborting the signal kills its processes. */
  exec(argv: readonly string[], opts?: ExecOptions): Exec;
}
