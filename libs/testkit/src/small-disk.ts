import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file system of its own that is full soon. */
export interface SmallDisk extends AsyncDisposable {
  readonly folder: string;
}

/** Why none can be made here; undefined where one can. */
export async function whyNoSmallDisk(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a file system is mounted by root, on Linux';
  try {
    await (await startSmallDisk(1))[Symbol.asyncDispose]();
    return undefined;
  } catch (error) {
    return `nothing can be mounted: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** In memory. @throws Error where {@link whyNoSmallDisk} has a reason */
export async function startSmallDisk(sizeMib: number): Promise<SmallDisk> {
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-small-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m,mode=700`, 'writ-test', folder]);
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await run('umount', [folder]);
      await rm(folder, { recursive: true });
    },
  };
}
