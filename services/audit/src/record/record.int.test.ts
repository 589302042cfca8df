import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ledger, type Host, type Logger } from '@writ/ledger';
import { aggregates, streamName, type Aggregate } from '@writ/ledger/domain';
import { openPostgres, overAllTenants } from '@writ/platform';
import { eventually, startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Checkpoints } from '../checkpoint/checkpoints.js';
import { noteKey } from '../checkpoint/note.js';
import { IntegrityChecker } from '../integrity/checker.js';
import { Audit0001 } from '../migrations/0001-audit.js';
import { Audit0002 } from '../migrations/0002-audit.js';
import { AuditQueries } from '../search/audit.queries.js';
import { auditIndex } from '../search/index.view.js';
import { DiskTileStore } from '../tree/tile-store.js';
import { RecordKeeper } from './keeper.js';
import { RecordModel } from './record-model.js';

type Noted = { type: 'note.written.v1'; data: { text: string } };
const note: Aggregate<null, { type: 'write'; text: string }, Noted> = {
  name: 'note',
  initial: null,
  events: ['note.written.v1'],
  decide: ({ text }) => [{ type: 'note.written.v1', data: { text } }],
  evolve: (state) => state,
};
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const actor = { principal: 'agt_1', kind: 'agent', run: 'run_1' } as const;
const key = noteKey('writ.example/test');

let backends: Backends;
let ledger: Ledger;
let dataSource: DataSource;
let folder: string;
let writer: Host;

beforeAll(async () => {
  backends = await startBackends();
  ledger = await Ledger.connect({ servers: backends.nats.url });
  folder = await mkdtemp(path.join(tmpdir(), 'writ-audit-'));
  dataSource = await openPostgres({
    url: backends.postgresUrl,
    schema: 'audit',
    entities: [],
    migrations: [Audit0001, Audit0002],
  });
  writer = await ledger.host({ service: 'memory', model: () => aggregates([note])() });
  await writer.ready;
});

afterAll(async () => {
  await ledger?.drain();
  await dataSource?.destroy();
  await backends?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The audit service without its API, on its own connection. */
async function startAudit() {
  const tiles = new DiskTileStore(folder);
  const checkpoints = new Checkpoints(key, tiles);
  const own = await Ledger.connect({ servers: backends.nats.url });
  const keeper = new RecordKeeper({ ledger: own, tiles, checkpoints, log: silent });
  const host = await own.host({
    service: 'audit',
    model: () => new RecordModel(),
    dataSource,
    projections: [overAllTenants(auditIndex(own))],
    onOwned: (_partition, handle) => keeper.owned(handle),
    onLost: () => keeper.lost(),
  });
  await host.ready;
  const stop = async () => {
    await keeper.stop();
    await own.drain();
  };
  return { checkpoints, stop };
}

async function write(subject: string, text: string): Promise<string> {
  const command = { type: 'write', text };
  const { events } = await ledger
    .commands('memory')
    .send({ tenant: 'tnt_a', aggregate: 'note', subject, command, actor });
  return events[0]?.id as string;
}

const indexed = (id: string) => eventually(() => new AuditQueries(dataSource).byId('tnt_a', id));

test('every event becomes a leaf, in an order that survives a restart, and its proof verifies with a program that is not ours alone', async () => {
  verifies('audit.proof');
  let audit = await startAudit();
  await Promise.all(Array.from({ length: 40 }, (_, at) => write(`note_${at}`, 'before')));
  await indexed(await write('note_0', 'last before the restart'));
  const before = audit.checkpoints.latest()?.checkpoint;
  await audit.stop();

  audit = await startAudit();
  const last = await write('note_1', 'after');
  await indexed(last);
  const rows = await new AuditQueries(dataSource).search({
    tenant: 'tnt_a',
    run: 'run_1',
    ascending: true,
    limit: 1_000,
  });
  expect(rows).toHaveLength(42);
  const latest = await eventually(() => {
    const now = audit.checkpoints.latest();
    return now && now.checkpoint.size > (rows.at(-1)?.leaf as number) && now;
  });
  expect(Buffer.from(await latest.tree.root(before?.size)).equals(Buffer.from(before?.root as Uint8Array))).toBe(true);

  const events = [];
  for (const { leaf, line } of rows)
    events.push({
      line,
      index: leaf,
      proof: (await latest.tree.inclusion(leaf, latest.checkpoint.size)).map((hash) =>
        Buffer.from(hash).toString('base64'),
      ),
    });
  const file = path.join(folder, 'bundle.json');
  await writeFile(
    file,
    JSON.stringify({ format: 'writ-bundle/1', origin: key.name, checkpoint: latest.checkpoint.note, events }),
  );
  const verifier = path.join(import.meta.dirname, '../verifier/writ-verify.mjs');
  expect(execFileSync(process.execPath, [verifier, file, '--key', key.verifier], { encoding: 'utf8' })).toContain(
    'verified: 42 events',
  );
  await audit.stop();
});

test('no subject stops the index', async () => {
  verifies('audit.any_subject');
  const audit = await startAudit();
  const longest = Array.from({ length: 128 }, (_, at) => String.fromCodePoint(0x1f600 + at)).join('');
  for (const subject of ['a\u0000b', '\ud800', longest]) {
    const { line } = await indexed(await write(subject, 'x'));
    expect(JSON.parse(line)).toMatchObject({ subject });
  }
  await audit.stop();
});

test('the tree is built again from the ledger when its tiles are lost', async () => {
  verifies('audit.rebuild');
  let audit = await startAudit();
  await indexed(await write('note_2', 'again'));
  const before = audit.checkpoints.latest()?.checkpoint;
  await audit.stop();
  await rm(path.join(folder, 'tile'), { recursive: true });
  audit = await startAudit();
  const after = await eventually(() => audit.checkpoints.latest());
  expect(Buffer.from(await after.tree.root(before?.size)).equals(Buffer.from(before?.root as Uint8Array))).toBe(true);
  await audit.stop();
});

test('a commit that the broker dropped and a tail that was cut are named', async () => {
  verifies('audit.dropped_commit');
  const audit = await startAudit();
  for (let at = 0; at < 8; at++) await write('note_3', `${at}`);
  await indexed(await write('note_3', 'end'));
  const checker = new IntegrityChecker(ledger, dataSource, audit.checkpoints);
  expect((await checker.check()).problems).toEqual([]);
  await audit.stop();
  await writer.stop();

  // What an administrator can do although the stream denies deletes: a smaller copy under the same name.
  const { position } = {
    position: (
      await new AuditQueries(dataSource).search({ tenant: 'tnt_a', subject: 'note_3', ascending: true, limit: 1 })
    )[0],
  };
  const { partition, commit } = position as { partition: number; commit: number };
  const manager = await jetstreamManager(ledger.nc);
  const stream = streamName('memory', partition);
  const last = await ledger.last('memory', partition);
  await manager.streams.update(stream, { max_msgs: last - commit, discard: DiscardPolicy.Old });
  const trimmed = (await checker.check()).problems;
  expect(trimmed).toEqual([
    expect.objectContaining({ kind: 'trimmed', service: 'memory', partition, firstCommit: 1, lastCommit: commit }),
  ]);

  // And the bluntest: the stream itself is gone.
  await manager.streams.delete(stream);
  const cut = (await checker.check()).problems;
  expect(cut).toEqual([
    expect.objectContaining({ kind: 'cut', service: 'memory', partition, firstCommit: 1, lastCommit: last }),
  ]);
});
