import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';
import { version } from '../version.js';
import { brokerTime, openBroker, type Broker } from './broker.js';
import { copyListed, listFiles } from './files.js';
import { writeManifest, type BackedUpFile, type BackedUpStream, type Manifest } from './manifest.js';
import { writeMessages } from './messages.js';
import { chained, findStreams, readStream, type FoundStream } from './streams.js';

/** Stands in the folder until it is complete: what is left of one that was interrupted is begun anew. */
const UNFINISHED = 'unfinished';
/** What the broker has stamped before the cut is stored when this is over. */
const SETTLE_MS = 500;

export async function backup(
  call: Call,
  folder: string,
  { data = '.writ' }: { data?: string | undefined },
): Promise<void> {
  const dataDir = path.resolve(data);
  await using broker = await openBroker(dataDir, process.env);
  const streams = await findStreams(broker);
  const [first] = streams;
  if (!first) throw new Refused('cli.bad_input', 'the broker has no ledger: there is nothing to back up');
  await begin(folder);

  // Audit's signed checkpoint first: the ledger that is read after it has everything that it vouches for.
  const all = await listFiles(dataDir);
  const early = all.filter((name) => name.startsWith('audit/'));
  const files = await copyFiles(dataDir, early, folder);
  const saved = await saveStreams(
    call,
    broker,
    streams.filter(({ kind }) => kind === 'state'),
    folder,
  );
  const cut = await brokerTime(broker, first.config.name);
  await sleep(SETTLE_MS);
  saved.push(
    ...(await saveStreams(
      call,
      broker,
      streams.filter(({ kind }) => kind === 'ledger'),
      folder,
      cut,
    )),
  );
  saved.push(
    ...(await saveStreams(
      call,
      broker,
      streams.filter(({ kind }) => kind === 'blobs'),
      folder,
    )),
  );
  // Repositories last: each that the ledger names is there by then.
  const late = (await listFiles(dataDir)).filter((name) => !name.startsWith('audit/'));
  call.out.say(`copying ${late.length} files`);
  files.push(...(await copyFiles(dataDir, late, folder)));

  const { version: natsServer } = broker;
  const manifest: Manifest = {
    format: 'writ-backup/1',
    version,
    natsServer,
    cut: cut.toISOString(),
    streams: saved,
    files,
  };
  await writeManifest(folder, manifest);
  await rm(path.join(folder, UNFINISHED));
  call.out.receipt({ folder: path.resolve(folder), ...summaryOf(manifest) }, folder, told(manifest));
}

async function begin(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const there = await readdir(folder);
  if (there.length > 0 && !there.includes(UNFINISHED))
    throw new Refused('cli.file_exists', `${folder} is not empty, and a backup overwrites nothing`, {
      hint: 'name another folder, such as backup-$(date +%F)',
    });
  for (const name of there) await rm(path.join(folder, name), { recursive: true });
  await writeFile(path.join(folder, UNFINISHED), '', { mode: 0o600 });
  for (const part of ['streams', 'files']) await mkdir(path.join(folder, part), { mode: 0o700 });
}

async function saveStreams(
  call: Call,
  broker: Broker,
  streams: readonly FoundStream[],
  folder: string,
  cut?: Date,
): Promise<BackedUpStream[]> {
  const saved: BackedUpStream[] = [];
  for (const { kind, config } of streams) {
    const file = `streams/${config.name}.ndjson.gz`;
    const messages = readStream(broker, config.name, cut);
    const complete = kind === 'ledger' ? chained(config.name, messages) : messages;
    const written = await writeMessages(path.join(folder, file), complete);
    saved.push({ kind, config, file, ...written });
    call.out.say(`${config.name}: ${written.messages} messages`);
  }
  return saved;
}

async function copyFiles(dataDir: string, names: readonly string[], folder: string): Promise<BackedUpFile[]> {
  const copied: BackedUpFile[] = [];
  for (const name of names) {
    const file = await copyListed(dataDir, name, path.join(folder, 'files'));
    if (file) copied.push(file);
  }
  return copied;
}

/** What it holds, in figures. */
export function summaryOf({ cut, streams, files, version: by, natsServer }: Manifest) {
  const commits = streams.filter(({ kind }) => kind === 'ledger').reduce((sum, { messages }) => sum + messages, 0);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { cut, version: by, natsServer, partitions: streams.length, commits, files: files.length, bytes };
}

function told(manifest: Manifest): string {
  const { cut, commits, files } = summaryOf(manifest);
  return [
    `${commits} commits of the ledger as of ${cut}, with the blobs and ${files} files: keys, repositories, volumes.`,
    'It holds the private keys of this installation: keep it as you keep those.',
    'Not in it: views (built again from the ledger), caches, and the keys that sign access tokens (new ones are made).',
  ].join('\n');
}
