import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What the verifier said. */
export interface Verdict {
  readonly code: number;
  readonly out: { verified: boolean; problems: string[]; treeSize: number; events: number };
}

/**
 * Runs `writ-verify.mjs` as a stranger does who got two files: alone in an empty folder, without an environment, with a Node
 * that lets it read this folder and do nothing else.
 */
export async function verifyOffline(bundle: string, key: string): Promise<Verdict> {
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-verify-'));
  try {
    await copyFile(path.join(import.meta.dirname, '../verifier/writ-verify.mjs'), path.join(folder, 'writ-verify.mjs'));
    await writeFile(path.join(folder, 'bundle.json'), bundle);
    const argv = [
      '--permission',
      `--allow-fs-read=${folder}`,
      'writ-verify.mjs',
      'bundle.json',
      '--key',
      key,
      '--json',
    ];
    return await new Promise((resolve, reject) =>
      execFile(process.execPath, argv, { cwd: folder, env: {}, encoding: 'utf8' }, (error, stdout, stderr) => {
        try {
          resolve({ code: error === null ? 0 : Number(error.code), out: JSON.parse(stdout) as Verdict['out'] });
        } catch {
          reject(new Error(`the verifier said no JSON: ${stdout}${stderr}`));
        }
      }),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
