import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { Refused } from '../failure/refused.js';

/** Of a stored value, as events have it. */
export const Hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** One line of `runs.jsonl`: what is recorded of a run. */
export const ArchivedRun = z.object({
  run: z.string(),
  /** As `writ audit export` gives it: the events, each with its proof, and the signed checkpoint. */
  bundle: z.looseObject({ events: z.array(z.looseObject({ line: z.string() })) }),
  /** Of the values that the events refer to: those that lie in `values/`, and those that the server has no more. */
  values: z.array(Hash),
  missing: z.array(Hash),
});
export type ArchivedRun = z.infer<typeof ArchivedRun>;

const Manifest = z.object({
  format: z.literal('writ-archive/1'),
  /** Of the program that wrote it. */
  version: z.string(),
  filter: z.string(),
  createdAt: z.iso.datetime(),
  runs: z.number().int().nonnegative(),
  events: z.number().int().nonnegative(),
  values: z.number().int().nonnegative(),
  /** Of the bytes of `runs.jsonl`, which names all values by their hashes. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** What an archive holds. It is written last: an archive without it is not complete. */
export type Manifest = z.infer<typeof Manifest>;

export const manifestFile = 'manifest.json';
export const runsFile = 'runs.jsonl';

/** Where in an archive a value lies. */
export function valueFile(hash: string): string {
  return path.join('values', hash.slice('sha256:'.length));
}

/** The hash of a value covers whose it is. */
export function valueHash(tenant: string) {
  return createHash('sha256').update(`writ-value ${tenant}\n`);
}

/** By this the deletion of its runs names an archive. */
export function digestOf(manifest: string): string {
  return `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
}

/** @throws Refused `cli.bad_archive` */
export async function readManifest(folder: string): Promise<{ manifest: Manifest; digest: string }> {
  const text = await readFile(path.join(folder, manifestFile), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw badArchive(`${folder} is no complete archive: ${manifestFile} cannot be read (${error.code})`);
  });
  const manifest = Manifest.safeParse(jsonOf(text));
  if (manifest.success) return { manifest: manifest.data, digest: digestOf(text) };
  const [issue] = manifest.error.issues;
  throw badArchive(`${manifestFile} is of another format: ${issue?.path.join('.')}: ${issue?.message}`);
}

export function badArchive(what: string, cause?: unknown): Refused {
  return new Refused('cli.bad_archive', what, { cause });
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Values that are referred to in a text: by events, and by what steps gave as streams. */
export function hashesIn(text: string): string[] {
  return Array.from(text.matchAll(/"hash":"(sha256:[0-9a-f]{64})","sizeBytes":/g), ([, hash]) => hash as string);
}
