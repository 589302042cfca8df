import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The first executable file of that name in PATH. */
export async function inPath(name: string, searched = process.env['PATH'] ?? ''): Promise<string | undefined> {
  for (const folder of searched.split(path.delimiter)) {
    const file = path.join(folder, name);
    if (folder !== '' && (await executable(file))) return file;
  }
  return undefined;
}

export async function executable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** `[2, 15, 1]` of `nats-server: v2.15.1`; undefined where the file is no such program. */
export async function versionOf(binary: string): Promise<string | undefined> {
  const { stdout } = await run(binary, ['--version']).catch(() => ({ stdout: '' }));
  return /(\d+\.\d+(?:\.\d+)?)/.exec(stdout)?.[1];
}

/** True where `version` is `minimum` or newer; both as `major.minor[.patch]`. */
export function atLeast(version: string, minimum: string): boolean {
  const [have, want] = [version, minimum].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (have?.[index] ?? 0) - (want?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
