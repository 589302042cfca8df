import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { verify } from '@writ/sdk/verify';
import { ArchivedRun, badArchive, hashesIn, jsonOf, readManifest, runsFile, valueFile, valueHash } from './archive.js';

/** What a whole archive was found to hold. */
export interface Archived {
  digest: string;
  runs: number;
  events: number;
  values: number;
  missing: number;
}

/**
 * Checks an archive with no server: that it is complete and unchanged, that every event is in the log that the keys signed, and that every value is what
 * an event refers to.
 *
 * @throws Refused `cli.bad_archive`
 */
export async function verifyArchive(folder: string, keys: { log: string; witnesses: string[] }): Promise<Archived> {
  const { manifest, digest } = await readManifest(folder);
  const sum = createHash('sha256');
  const file = path.join(folder, runsFile);
  await pipeline(createReadStream(file), sum).catch((error: Error) => {
    throw badArchive(`${file} cannot be read: ${error.message}`);
  });
  if (sum.digest('hex') !== manifest.sha256)
    throw badArchive(`${file} was changed or cut off: its digest is another one`);
  const counted: Archived = { digest, runs: 0, events: 0, values: 0, missing: 0 };
  const checked = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const { run, bundle, values, missing } = readRun(line, counted.runs + 1);
    const verified = await verify(JSON.stringify(bundle), keys);
    if (!verified.ok) throw badArchive(`of run ${run}: ${verified.error.message}`, verified.error);
    counted.runs++;
    counted.events += verified.events.length;
    counted.missing += missing.length;
    await readValues(folder, { run, bundle, values, missing }, checked);
  }
  counted.values = checked.size;
  for (const what of ['runs', 'events', 'values'] as const)
    if (counted[what] !== manifest[what])
      throw badArchive(`it has ${counted[what]} ${what}, and its manifest names ${manifest[what]}`);
  return counted;
}

function readRun(line: string, at: number): ArchivedRun {
  const read = ArchivedRun.safeParse(jsonOf(line));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw badArchive(`line ${at} of ${runsFile} is no run: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Follows what the events refer to, so that nothing which they name is left out unsaid. */
async function readValues(folder: string, { run, bundle, values, missing }: ArchivedRun, checked: Set<string>) {
  const lines = bundle.events.map(({ line }) => line);
  const known = new Set([...values, ...missing]);
  for (const line of lines) {
    const { source } = JSON.parse(line) as { source: string };
    const lost = source.startsWith('scheduler/') && hashesIn(line).find((hash) => !known.has(hash));
    if (lost) throw badArchive(`run ${run} refers to the value ${lost}, of which the archive says nothing`);
  }
  const { tenant } = JSON.parse(lines[0] ?? '{}') as { tenant: string };
  for (const hash of values) {
    if (checked.has(hash)) continue;
    const digest = valueHash(tenant);
    await pipeline(createReadStream(path.join(folder, valueFile(hash))), digest).catch((error: Error) => {
      throw badArchive(`the value ${hash} of run ${run} cannot be read: ${error.message}`);
    });
    if (`sha256:${digest.digest('hex')}` !== hash) throw badArchive(`the value ${hash} of run ${run} was changed`);
    checked.add(hash);
  }
}
