import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api/client.js';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import { confirm } from '../prompt/confirm.js';
import { version } from '../version.js';
import { digestOf, hashesIn, manifestFile, runsFile, valueFile, valueHash, type Manifest } from './archive.js';

type Run = Answer<typeof routes.listRuns>['runs'][number];

const pageSize = 200;
/** The record is indexed a moment after a run has ended. */
const recordMs = 20_000;
/** Of many it is told how far it is. */
const tellEveryMs = 5_000;
const ends = ['run.succeeded.v1', 'run.failed.v1', 'run.cancelled.v1'];

interface Options {
  filter: string;
  delete: boolean;
}

/** Writes all that is recorded of the runs that match and have ended into a folder, and if it is asked for deletes them when that is on the disk. */
export async function archive(call: Call, folder: string, { filter, delete: remove }: Options): Promise<number> {
  if (remove) await confirm(call, `Delete the runs of '${filter}' that have ended, when they are in ${folder}?`);
  await begin(folder);
  const api = await call.api();
  const writer = new Writer(api, folder, await open(path.join(folder, runsFile), 'wx'));
  const runs: Run[] = [];
  let going = 0;
  let toldMs = Date.now();
  for await (const run of found(api, filter)) {
    if (Date.now() - toldMs > tellEveryMs) {
      call.out.say(`${runs.length} runs are written`);
      toldMs = Date.now();
    }
    if (run.endTime === undefined) going++;
    else {
      await writer.add(run);
      runs.push(run);
    }
  }
  const { manifest, digest } = await writer.end(filter);
  const left = remove ? await removeAll(call, api, runs, digest) : 0;
  const what = `${manifest.runs} runs, ${manifest.events} events and ${manifest.values} values; ${digest}`;
  call.out.receipt({ ...manifest, digest, goingOn: going, deleted: remove ? runs.length - left : 0 }, folder, what);
  if (going > 0) call.out.say(`${going} runs have not ended, and are left out`);
  if (writer.missing > 0) call.out.say(`${writer.missing} values that events refer to are not there any more`);
  return left > 0 ? exit.endedBadly : exit.ok;
}

async function begin(folder: string): Promise<void> {
  await mkdir(path.join(folder, 'values'), { recursive: true, mode: 0o700 });
  const there = (await readdir(folder)).filter((name) => name !== 'values');
  if (there.length > 0) throw new Refused('cli.bad_input', `${folder} is not empty: it has ${there[0]}`);
}

async function* found(api: ApiClient, filter: string): AsyncGenerator<Run> {
  for (let pageToken = ''; ;) {
    const page = await api.call(routes.listRuns, { filter, pageSize, pageToken });
    yield* page.runs;
    if (page.nextPageToken === '') return;
    pageToken = page.nextPageToken;
  }
}

/** What is being written. */
class Writer {
  missing = 0;
  private readonly digest: Hash = createHash('sha256');
  /** Values that are there. */
  private readonly values = new Set<string>();
  private runs = 0;
  private events = 0;

  constructor(
    private readonly api: ApiClient,
    private readonly folder: string,
    private readonly file: FileHandle,
  ) {}

  async add(run: Run): Promise<void> {
    const { bundle, lines } = await this.record(run);
    const { tenant } = JSON.parse(lines[0] ?? '{}') as { tenant: string };
    const values = new Set<string>();
    const missing: string[] = [];
    const wanted = lines.filter(isOfScheduler).flatMap(hashesIn);
    for (let hash = wanted.pop(); hash !== undefined; hash = wanted.pop()) {
      if (values.has(hash) || missing.includes(hash)) continue;
      const inside = await this.value(run.id, hash, tenant);
      if (inside) values.add(hash);
      else missing.push(hash);
      wanted.push(...(inside ?? []));
    }
    this.missing += missing.length;
    this.runs++;
    this.events += lines.length;
    const about = JSON.stringify({ run: run.id, values: [...values], missing }).slice(0, -1);
    const line = `${about},"bundle":${bundle}}\n`;
    this.digest.update(line);
    await this.file.appendFile(line);
  }

  async end(filter: string): Promise<{ manifest: Manifest; digest: string }> {
    await this.file.sync();
    await this.file.close();
    const manifest: Manifest = {
      format: 'writ-archive/1',
      version,
      filter,
      createdAt: new Date().toISOString(),
      runs: this.runs,
      events: this.events,
      values: this.values.size,
      sha256: this.digest.digest('hex'),
    };
    const text = `${JSON.stringify(manifest, undefined, 1)}\n`;
    const target = path.join(this.folder, manifestFile);
    await synced(`${target}.new`, [Buffer.from(text)]);
    await rename(`${target}.new`, target);
    for (const folder of [path.join(this.folder, 'values'), this.folder]) await syncFolder(folder);
    return { manifest, digest: digestOf(text) };
  }

  /** The record of a run, up to its end. */
  private async record({ id: run, endTime = '' }: Run): Promise<{ bundle: string; lines: string[] }> {
    for (const until = Date.now() + recordMs; ; await sleep(100)) {
      const { bundle } = await this.api.call(routes.exportBundle, { run }, { timeoutMs: 120_000 });
      const lines = (JSON.parse(bundle) as { events: { line: string }[] }).events.map(({ line }) => line);
      if (lines.some((line) => isEnd(line, run, Date.parse(endTime)))) return { bundle, lines };
      if (Date.now() > until)
        throw new Refused('audit.behind', `the record of ${run} does not have its end of ${endTime} yet; try again`);
    }
  }

  /** Values that it refers to; undefined where the server does not have it. */
  private async value(run: string, hash: string, tenant: string): Promise<string[] | undefined> {
    const file = path.join(this.folder, valueFile(hash));
    if (!this.values.has(hash)) {
      const digest = valueHash(tenant);
      try {
        await synced(`${file}.new`, this.chunks(run, hash, digest));
      } catch (error) {
        await rm(`${file}.new`, { force: true });
        if (error instanceof Refused && error.problem.code === 'run.value_not_found') return undefined;
        throw error;
      }
      if (`sha256:${digest.digest('hex')}` !== hash)
        throw new Refused('cli.bad_value', `the server gave other bytes than ${hash} of ${run}`);
      await rename(`${file}.new`, file);
      this.values.add(hash);
    }
    return hashesOf(file);
  }

  private async *chunks(id: string, hash: string, digest: Hash): AsyncGenerator<Buffer> {
    for await (const { value } of this.api.stream(routes.readRunValue, { id, hash })) {
      const chunk = Buffer.from(value.chunk, 'base64');
      digest.update(chunk);
      yield chunk;
    }
  }
}

/** What it holds is on the disk when it resolves. */
async function synced(name: string, chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
  await using file = await open(name, 'w', 0o600);
  await file.writeFile(chunks);
  await file.sync();
}

async function syncFolder(name: string): Promise<void> {
  await using folder = await open(name);
  await folder.sync();
}

async function hashesOf(file: string): Promise<string[]> {
  const hashes: string[] = [];
  let tail = '';
  for await (const chunk of createReadStream(file)) {
    const text = tail + (chunk as Buffer).toString('latin1');
    hashes.push(...hashesIn(text));
    tail = text.slice(-100);
  }
  return hashes;
}

/** What other services store, they keep for themselves. */
function isOfScheduler(line: string): boolean {
  return (JSON.parse(line) as { source: string }).source.startsWith('scheduler/');
}

function isEnd(line: string, run: string, endMs: number): boolean {
  const { type, subject, time } = JSON.parse(line) as { type: string; subject: string; time: string };
  return subject === run && ends.includes(type) && Math.abs(Date.parse(time) - endMs) < 1;
}

/** @returns how many were not deleted, of which each is told */
async function removeAll(call: Call, api: ApiClient, runs: readonly Run[], digest: string): Promise<number> {
  let left = 0;
  for (const { id, endTime } of runs) {
    try {
      const { run } = await api.call(routes.getRun, { id });
      if (run?.endTime !== endTime) throw new Refused('run.not_ended', `${id} went on after it was archived`);
      await api.call(routes.deleteRun, { id, reason: `archived: ${digest}` });
    } catch (error) {
      if (!(error instanceof Refused) || error.problem.code === 'cli.interrupted') throw error;
      call.out.say(`${id} is not deleted: ${error.message} (${error.problem.code})`);
      left++;
    }
  }
  return left;
}
