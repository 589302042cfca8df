import type { ExecResult, SandboxOptions } from './sandbox.js';

/** A command as it goes over the wire. */
export interface ExecRequest {
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
  readonly timeoutMs?: number;
}

/** A frame of a running command; the last one is its end. */
export type ExecFrame =
  | { readonly stream: 'stdout' | 'stderr'; readonly bytes: Uint8Array }
  | { readonly end: { readonly exitCode: number; readonly reason: ExecResult['reason'] } };

/** One entry of a folder. */
export interface FileInfo {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly size: number;
  readonly modifyTimeMs: number;
}

/** What a runner of sandboxes does; all with plain data, so that it can be recorded. */
export interface SandboxPort {
  create(opts: SandboxOptions, effectId: string, signal: AbortSignal | undefined): Promise<{ id: string }>;
  exec(id: string, request: ExecRequest, effectId: string, signal: AbortSignal | undefined): AsyncIterable<ExecFrame>;
  readFile(id: string, path: string, signal: AbortSignal | undefined): Promise<Uint8Array>;
  writeFile(id: string, path: string, data: Uint8Array, signal: AbortSignal | undefined): Promise<void>;
  files(
    id: string,
    verb: 'list' | 'stat' | 'mkdir' | 'rm',
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<readonly FileInfo[]>;
  stop(id: string, reason: string, signal: AbortSignal | undefined): Promise<void>;
}
