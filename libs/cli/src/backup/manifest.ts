import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { StreamConfig } from '@nats-io/jetstream';
import * as z from 'zod';
import { Refused } from '../failure/refused.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();

const Manifest = z.object({
  format: z.literal('writ-backup/1'),
  /** Of the program that wrote it. */
  version: z.string(),
  natsServer: z.string(),
  /** Everything that the broker had stored before this moment by its own clock, and nothing after it, is in it. */
  cut: z.iso.datetime(),
  streams: z.array(
    z.object({
      /** `ledger`: complete, in order, from 1. `state`: the newest message of each key. `blobs`: as they are. */
      kind: z.enum(['ledger', 'state', 'blobs']),
      config: z.custom<StreamConfig>((value) => typeof (value as StreamConfig | undefined)?.name === 'string'),
      /** In the backup. */
      file: z.string(),
      messages: count,
      /** Of the messages as they are written into the file, before it is packed. */
      sha256,
    }),
  ),
  /** Of the data folder; the path is the same in the backup under `files/`. */
  files: z.array(z.object({ path: z.string(), bytes: count, mode: count, sha256 })),
});

/** What a backup holds. It is written last: a backup without it is not complete. */
export type Manifest = z.infer<typeof Manifest>;
export type BackedUpStream = Manifest['streams'][number];
export type BackedUpFile = Manifest['files'][number];

const FILE = 'manifest.json';

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = JSON.stringify(manifest, undefined, 1);
  await writeFile(path.join(folder, FILE), JSON.stringify({ sha256: digestOf(text), manifest: text }), { mode: 0o600 });
}

/** @throws Refused `cli.bad_backup` that says what is wrong */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(path.join(folder, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw badBackup(`${folder} is no complete backup: ${FILE} cannot be read (${error.code})`);
  });
  const envelope = z.object({ sha256, manifest: z.string() }).safeParse(jsonOf(text));
  if (!envelope.success || digestOf(envelope.data.manifest) !== envelope.data.sha256)
    throw badBackup(`${path.join(folder, FILE)} was changed or cut off: its digest is another one`);
  const manifest = Manifest.safeParse(jsonOf(envelope.data.manifest));
  if (manifest.success) return manifest.data;
  const [issue] = manifest.error.issues;
  throw badBackup(`${path.join(folder, FILE)} is of another format: ${issue?.path.join('.')}: ${issue?.message}`);
}

export function badBackup(what: string): Refused {
  return new Refused('cli.bad_backup', what, { hint: 'use another backup; nothing was restored from this one' });
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
