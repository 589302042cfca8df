import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isAlive } from '@writ/servers';

/** Who uses a data folder. */
interface Claim {
  readonly pid: number;
  /** Of this start of the machine, where it tells: after a reboot the same number is another process. */
  readonly boot?: string;
}

/**
 * Makes the data folder ours until the given function is called, or until this process is gone.
 *
 * @throws Error that says which process has it, and where that listens
 */
export async function claimFolder(dataDir: string): Promise<() => Promise<void>> {
  const file = path.join(dataDir, 'claim.json');
  await mkdir(dataDir, { recursive: true });
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined);
  const mine: Claim = { pid: process.pid, ...(boot !== undefined && { boot: boot.trim() }) };
  for (;;) {
    try {
      await writeFile(file, JSON.stringify(mine), { mode: 0o600, flag: 'wx' });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = await holder(file);
    if (other && other.boot === mine.boot && isAlive(other.pid)) throw await inUse(dataDir, other.pid, file);
    await rm(file, { force: true }); // left by one that was killed
  }
}

async function holder(file: string): Promise<Claim | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Claim;
  } catch {
    return undefined; // gone meanwhile, or cut off by a crash
  }
}

async function inUse(dataDir: string, pid: number, file: string): Promise<Error> {
  const text = await readFile(path.join(dataDir, 'stack.json'), 'utf8').catch(() => '{}');
  const { url } = JSON.parse(text) as { url?: string };
  return new Error(
    `Writ already runs on ${dataDir}: process ${pid}, ${url === undefined ? 'which is still starting' : `at ${url}`}. ` +
      `Use that one, stop it, or name another folder with --data. (If process ${pid} is not Writ, remove ${file}.)`,
  );
}
