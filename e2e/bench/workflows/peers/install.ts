/**
 * The engines that Writ is measured beside. They are not dependencies of the project (236 MB, and the server of Restate is under the BSL):
 * the bench installs these versions with npm into `.writ/bench/peers`, once.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '@writ/testkit';

export const versions = {
  '@restatedev/restate-server': '1.7.12',
  '@restatedev/restate-sdk': '1.17.2',
  '@restatedev/restate-sdk-clients': '1.17.2',
  '@dbos-inc/dbos-sdk': '5.3.0',
} as const;

const folder = path.join(projectRoot, '.writ/bench/peers');

export async function installPeers(): Promise<void> {
  const wanted = JSON.stringify({ private: true, dependencies: versions });
  const done = path.join(folder, 'installed.json');
  if ((await readFile(done, 'utf8').catch(() => '')) === wanted) return;
  process.stderr.write(`  … npm install of ${Object.keys(versions).join(', ')} into ${folder}\n`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), wanted);
  await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder });
  await writeFile(done, wanted);
}

/** A package of theirs; what is used of it is typed by who uses it. */
export function peerPackage<T>(name: keyof typeof versions): T {
  return createRequire(path.join(folder, 'package.json'))(name) as T;
}

export const restateServer = (): string =>
  path.join(folder, `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
