import { createHash } from 'node:crypto';
import { mkdir, open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { BackedUpFile } from './manifest.js';

/** What is made again, or is of a process that runs: the ledger is read from the broker, the views are built from it. */
const derived: readonly RegExp[] = [
  /^(nats|postgres)\//,
  /^(claim|stack)\.json$/,
  /^audit\/(tile|rebuilt)\//,
  /^sandbox-runner\/(checkouts|isolation\/(?!volumes\/))/,
  /\.new$|\.lock$/,
];
/** Of the disk images, which are mostly empty. */
const CHUNK = 64 * 1024;

/**
 * Everything in the data folder that is not derived: keys and secrets, repositories, volumes. Folders end in `/`; they are
 * listed too, since a Git repository has empty ones.
 */
export async function listFiles(dataDir: string, folder = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(path.join(dataDir, folder), { withFileTypes: true })) {
    const name = `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`;
    if (derived.some((pattern) => pattern.test(name))) continue;
    if (entry.isFile()) found.push(name);
    if (entry.isDirectory()) found.push(name, ...(await listFiles(dataDir, name)));
  }
  return found;
}

/** Copies one of them, holes stay holes. @returns undefined where it is gone meanwhile */
export async function copyListed(from: string, name: string, to: string): Promise<BackedUpFile | undefined> {
  const source = path.join(from, name);
  const target = path.join(to, name);
  const found = await stat(source).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return undefined;
  const mode = found.mode & 0o777;
  await mkdir(name.endsWith('/') ? target : path.dirname(target), { recursive: true, mode: 0o700 });
  if (name.endsWith('/')) return { path: name, bytes: 0, mode, sha256: await digestOf([]) };
  return { path: name, mode, ...(await copySparse(source, target)) };
}

/** Bytes and digest of a copied file as it is now. */
export async function measure(file: string): Promise<Pick<BackedUpFile, 'bytes' | 'sha256'>> {
  if (file.endsWith('/')) return { bytes: 0, sha256: await digestOf([]) };
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of chunksOf(file)) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  const sha256 = await digestOf(counted());
  return { bytes, sha256 };
}

async function copySparse(source: string, target: string): Promise<Pick<BackedUpFile, 'bytes' | 'sha256'>> {
  const output = await open(target, 'wx', 0o600);
  let bytes = 0;
  const copied = async function* () {
    for await (const chunk of chunksOf(source)) {
      if (chunk.some((byte) => byte !== 0)) await output.write(chunk, 0, chunk.length, bytes);
      bytes += chunk.length;
      yield chunk;
    }
  };
  try {
    const sha256 = await digestOf(copied());
    await output.truncate(bytes);
    return { bytes, sha256 };
  } finally {
    await output.close();
  }
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  const input = await open(file);
  try {
    for (const buffer = Buffer.alloc(CHUNK); ;) {
      const { bytesRead } = await input.read(buffer, 0, CHUNK, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await input.close();
  }
}

async function digestOf(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of chunks) digest.update(chunk);
  return digest.digest('hex');
}
