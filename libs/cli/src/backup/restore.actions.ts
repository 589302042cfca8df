import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { startNats } from '@writ/servers';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';
import { summaryOf } from './backup.actions.js';
import { connectBroker, hasStream, openBroker, passwordOf, type Broker } from './broker.js';
import { copyListed, measure } from './files.js';
import { badBackup, readManifest, type Manifest } from './manifest.js';
import { readMessages } from './messages.js';
import { chained, fillStream } from './streams.js';

/** Restores into a data folder that is not there or empty: whole, or not at all. */
export async function restore(
  call: Call,
  backup: string,
  { data = '.writ' }: { data?: string | undefined },
): Promise<void> {
  const target = path.resolve(data);
  const manifest = await readManifest(backup);
  const there = await readdir(target).catch(() => []);
  if (there.length > 0)
    throw new Refused('cli.file_exists', `${target} is not empty, and a restore overwrites nothing`, {
      hint: 'name another folder with --data, or move that one away',
    });
  call.out.say('looking at the backup');
  await examine(backup, manifest);

  const draft = `${target}.restoring`;
  await rm(draft, { recursive: true, force: true }); // of one that was interrupted
  await mkdir(draft, { recursive: true, mode: 0o700 });
  call.out.say(`copying ${manifest.files.length} files`);
  for (const { path: name, mode } of manifest.files) {
    await copyListed(path.join(backup, 'files'), name, draft);
    await chmod(path.join(draft, name), mode);
  }
  if (process.env['WRIT_NATS_URL'] === undefined) await restoreFolder(call, backup, manifest, draft);
  else {
    await using broker = await openBroker(draft, process.env);
    await fill(call, broker, backup, manifest);
  }
  await syncAll(draft);
  await rm(target, { recursive: true, force: true });
  await rename(draft, target);
  call.out.receipt(
    { data: target, ...summaryOf(manifest) },
    data,
    `the ledger is as of ${manifest.cut}; start it with \`npm start -- --data ${data}\`: views are built again, then \`writ audit check\``,
  );
}

/** Reads all of it before anything is written. */
async function examine(backup: string, { streams, files }: Manifest): Promise<void> {
  for (const { path: name, bytes, sha256 } of files) {
    if (path.normalize(name) !== name || path.isAbsolute(name) || name.startsWith('..'))
      throw badBackup(`the backup names '${name}', which lies outside of a data folder`);
    const found = await measure(path.join(backup, 'files', name)).catch((error: NodeJS.ErrnoException) => {
      throw badBackup(`files/${name} cannot be read: ${error.code ?? error.message}`);
    });
    if (found.bytes !== bytes || found.sha256 !== sha256)
      throw badBackup(`files/${name} was changed or cut off: it has ${found.bytes} bytes, and ${bytes} were written`);
  }
  for (const { kind, config, file, ...written } of streams)
    try {
      const messages = readMessages(path.join(backup, file), written);
      for await (const _ of kind === 'ledger' ? chained(config.name, messages) : messages);
    } catch (error) {
      throw badBackup(`${file} was changed or cut off: ${(error as Error).message}`);
    }
}

/** Fills the streams with a server of our own, for as long as it takes. */
async function restoreFolder(call: Call, backup: string, manifest: Manifest, draft: string): Promise<void> {
  const password = await passwordOf(draft);
  const server = await startNats({
    dataDir: path.join(draft, 'nats'),
    durability: 'flush', // everything is synced at the end, once
    users: [{ user: 'writ', password }],
  });
  try {
    await using broker = await connectBroker(server.url, 'writ', password);
    await fill(call, broker, backup, manifest);
  } finally {
    await server.stop();
  }
}

async function fill(call: Call, broker: Broker, backup: string, { streams }: Manifest): Promise<void> {
  for (const { config } of streams)
    if (await hasStream(broker, config.name))
      throw new Refused(
        'cli.file_exists',
        `the broker has a stream ${config.name} already: a restore overwrites nothing`,
      );
  for (const { kind, config, file, ...written } of streams) {
    await fillStream(broker, { kind, config }, readMessages(path.join(backup, file), written));
    call.out.say(`${config.name}: ${written.messages} messages`);
  }
}

async function syncAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() && !entry.isDirectory()) continue;
    const file = await open(path.join(entry.parentPath, entry.name), 'r');
    await file.sync().finally(() => file.close());
  }
}
