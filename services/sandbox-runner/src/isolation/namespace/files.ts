import type { Program } from '../launcher/program.js';
import * as linux from '../linux.js';
import { FileRefusal, type ExecSpec, type FileEntry, type SandboxFiles } from '../isolation.js';
import { WORK_FOLDER } from './bubblewrap.js';
import type { NamespaceExecution } from './execution.js';

const BUFFER_BYTES = 65536;
const STATX_BYTES = 256;
const STATX_BASIC = 0x7ff;
const BATCH = 256;
const OUT = 1;
/** A number that `dup3` gives to a file that several calls need. */
const FILE_FD = 200;

/** Runs calls as a process of the sandbox. */
export type RunInside = (inside: (program: Program) => void, options?: { stdin?: boolean }) => NamespaceExecution;

/**
 * Files through processes that enter the sandbox and make a few system calls there. No path is ever resolved
 * on the host, so a link can only lead where a command of the sandbox could go by itself.
 */
export class NamespaceFiles implements SandboxFiles {
  constructor(
    private readonly run: RunInside,
    private readonly exec: (spec: ExecSpec) => NamespaceExecution,
  ) {}

  async read(path: string, maxBytes: number): Promise<Buffer> {
    const entry = await this.status(path, 0);
    if (entry.kind === 'directory') throw new FileRefusal('EISDIR', path);
    if (entry.kind !== 'file') throw new FileRefusal('EINVAL', path); // a pipe or a device may never end
    if (entry.size > maxBytes) throw new FileRefusal('EFBIG', path);
    const content = await this.output(
      path,
      (program) => {
        // Not blocking: between the look and the open it may have become a pipe.
        const flags = linux.O_RDONLY | linux.O_CLOEXEC | linux.O_NONBLOCK;
        const file = program.call('openat', linux.AT_FDCWD, program.text(path), flags);
        program.call('dup3', file.result, FILE_FD, linux.O_CLOEXEC);
        copy(program, FILE_FD, OUT);
      },
      maxBytes,
    );
    return content;
  }

  async write(path: string, data: Uint8Array): Promise<void> {
    const execution = this.run(
      (program) => {
        enterWorkFolder(program);
        const flags = linux.O_WRONLY | linux.O_CREAT | linux.O_TRUNC | linux.O_CLOEXEC | linux.O_NONBLOCK;
        const file = program.call('openat', linux.AT_FDCWD, program.text(path), flags, 0o666);
        program.call('dup3', file.result, FILE_FD, linux.O_CLOEXEC);
        copy(program, 0, FILE_FD);
        const status = program.room(STATX_BYTES);
        program.call('statx', FILE_FD, program.text(''), linux.AT_EMPTY_PATH, STATX_BASIC, status);
        program.call('write', OUT, status, STATX_BYTES);
      },
      { stdin: true },
    );
    execution.stdin?.end(data);
    const output = await collect(execution, STATX_BYTES);
    await succeeded(execution, path);
    // A full disk takes a part of the last write without an error.
    if (decodeStatx(output, 0, path)?.size !== data.length) throw new FileRefusal('ENOSPC', path);
  }

  async list(path: string): Promise<FileEntry[]> {
    const entries = await this.output(path, (program) => {
      const flags = linux.O_RDONLY | linux.O_CLOEXEC | linux.O_DIRECTORY(program.architecture);
      const folder = program.call('openat', linux.AT_FDCWD, program.text(path), flags);
      program.call('dup3', folder.result, FILE_FD, linux.O_CLOEXEC);
      copy(program, FILE_FD, OUT, 'getdents64');
    });
    const names = decodeDirectory(entries).sort();
    const found: FileEntry[] = [];
    for (let at = 0; at < names.length; at += BATCH)
      found.push(...(await this.statuses(path, names.slice(at, at + BATCH))));
    return found;
  }

  async stat(path: string): Promise<FileEntry> {
    return this.status(path, linux.AT_SYMLINK_NOFOLLOW);
  }

  async mkdir(path: string): Promise<void> {
    const parts = path.split('/');
    await this.output(path, (program) => {
      for (let length = 1; length <= parts.length; length++) {
        const part = parts.slice(0, length).join('/');
        if (part !== '') program.call('mkdirat', linux.AT_FDCWD, program.text(part), 0o777).orContinue();
      }
      const flags = linux.O_RDONLY | linux.O_CLOEXEC | linux.O_DIRECTORY(program.architecture);
      program.call('openat', linux.AT_FDCWD, program.text(path), flags);
    });
  }

  async rm(path: string): Promise<void> {
    const execution = this.exec({ argv: ['rm', '-rf', '--', path] });
    const message = await collect(execution, BUFFER_BYTES, 'stderr');
    const { exitCode } = await execution.result;
    if (exitCode !== 0) throw new FileRefusal(/Read-only/.test(message.toString()) ? 'EROFS' : 'EACCES', path);
  }

  private async status(path: string, flags: number): Promise<FileEntry> {
    const output = await this.output(path, (program) => {
      const status = program.room(STATX_BYTES);
      program.call('statx', linux.AT_FDCWD, program.text(path), flags, STATX_BASIC, status);
      program.call('write', OUT, status, STATX_BYTES);
    });
    const entry = decodeStatx(output, 0, path.split('/').at(-1) ?? path);
    if (entry === undefined) throw new FileRefusal('ENOENT', path);
    return entry;
  }

  /** Those of the names that still exist. */
  private async statuses(folder: string, names: readonly string[]): Promise<FileEntry[]> {
    const output = await this.output(folder, (program) => {
      const all = program.room(STATX_BYTES * names.length);
      names.forEach((name, index) => {
        const place = { data: all.data + index * STATX_BYTES };
        const path = program.text(`${folder}/${name}`);
        program.call('statx', linux.AT_FDCWD, path, linux.AT_SYMLINK_NOFOLLOW, STATX_BASIC, place).orContinue();
      });
      program.call('write', OUT, all, STATX_BYTES * names.length);
    });
    return names.flatMap((name, index) => decodeStatx(output, index * STATX_BYTES, name) ?? []);
  }

  private async output(path: string, inside: (program: Program) => void, maxBytes = Infinity): Promise<Buffer> {
    const execution = this.run((program) => {
      enterWorkFolder(program);
      inside(program);
    });
    const output = await collect(execution, maxBytes);
    await succeeded(execution, path);
    if (output.length > maxBytes) throw new FileRefusal('EFBIG', path);
    return output;
  }
}

/** Relative paths are the work folder's. */
function enterWorkFolder(program: Program): void {
  program.call('chdir', program.text(WORK_FOLDER));
}

/** Until its end; reading gives a count, which the write takes; a write of nothing ends the loop. */
function copy(program: Program, from: number, to: number, reading: 'read' | 'getdents64' = 'read'): void {
  const buffer = program.room(BUFFER_BYTES);
  const again = program.here();
  const read = program.call(reading, from, buffer, BUFFER_BYTES);
  program.call('write', to, buffer, read.result).thenIfPositive(again);
}

async function collect(
  execution: NamespaceExecution,
  maxBytes: number,
  from: 'stdout' | 'stderr' = 'stdout',
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  execution[from === 'stdout' ? 'stderr' : 'stdout'].resume();
  for await (const chunk of execution[from] as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
    else execution.kill();
  }
  return size > maxBytes ? Buffer.alloc(maxBytes + 1) : Buffer.concat(chunks);
}

async function succeeded(execution: NamespaceExecution, path: string): Promise<void> {
  const { reason } = await execution.result;
  if (execution.refusal !== undefined) throw new FileRefusal(execution.refusal.errno, path);
  if (reason === 'stopped' || reason === 'oom')
    throw new Error(`the sandbox ended the operation on ${path}: ${reason}`);
}

/** `struct statx` of `<linux/stat.h>`; an empty mask means that it was never filled in. */
function decodeStatx(bytes: Buffer, at: number, name: string): FileEntry | undefined {
  if (bytes.length < at + STATX_BYTES || bytes.readUInt32LE(at) === 0) return undefined;
  const type = bytes.readUInt16LE(at + 28) & 0o170000;
  const kinds: Readonly<Record<number, FileEntry['kind']>> = {
    0o100000: 'file',
    0o040000: 'directory',
    0o120000: 'symlink',
  };
  const modifiedMs =
    Number(bytes.readBigInt64LE(at + 112)) * 1000 + Math.floor(bytes.readUInt32LE(at + 120) / 1_000_000);
  return { name, kind: kinds[type] ?? 'other', size: Number(bytes.readBigUInt64LE(at + 40)), modifiedMs };
}

/** `struct linux_dirent64`: inode, offset, length of this entry, type, name. */
function decodeDirectory(bytes: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at + 19 <= bytes.length; at += bytes.readUInt16LE(at + 16)) {
    const end = bytes.indexOf(0, at + 19);
    const name = bytes.toString('utf8', at + 19, end);
    if (name !== '.' && name !== '..') names.push(name);
  }
  return names;
}
