/** What somebody with the files or the rights of an administrator can do to the ledger, and what audit says about it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DiscardPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ledger, type Logger } from '@writ/ledger';
import { aggregates, type Aggregate } from '@writ/ledger/domain';
import { openPostgres, overAllTenants } from '@writ/platform';
import { eventually, startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Checkpoints } from '../checkpoint/checkpoints.js';
import { noteKey } from '../checkpoint/note.js';
import { Audit0001 } from '../migrations/0001-audit.js';
import { Audit0002 } from '../migrations/0002-audit.js';
import { RecordKeeper } from '../record/keeper.js';
import { RecordModel } from '../record/record-model.js';
import { AuditQueries } from '../search/audit.queries.js';
import { auditIndex } from '../search/index.view.js';
import { AttackedBroker, type Stored } from '../testing/attacked-broker.js';
import { DiskTileStore } from '../tree/tile-store.js';
import { TileTree } from '../tree/tile-tree.js';
import { IntegrityChecker } from './checker.js';
import { readStored } from './stored.js';

type Noted = { type: 'note.written.v1'; data: { text: string } };
const note: Aggregate<null, { type: 'write'; texts: string[] }, Noted> = {
  name: 'note',
  initial: null,
  events: ['note.written.v1'],
  decide: ({ texts }) => texts.map((text) => ({ type: 'note.written.v1', data: { text } })),
  evolve: (state) => state,
};
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const key = noteKey('writ.example/attacked');
const STREAM = 'LEDGER_POLICY_00';
/** Commit 1 is the claim, commit 2 fills a tile; commit `n` holds the text `marked-n`. */
const LAST = 20;

let backends: Backends;
let dataSource: DataSource;
/** Tiles, checkpoint and heads. */
let folder: string;
/** The ledger before anybody touched it. */
let untouched: AttackedBroker;

beforeAll(async () => {
  backends = await startBackends();
  dataSource = await openPostgres({
    url: backends.postgresUrl,
    schema: 'audit',
    entities: [],
    migrations: [Audit0001, Audit0002],
  });
  folder = await mkdtemp(path.join(tmpdir(), 'writ-attacked-'));
  untouched = await AttackedBroker.start();
  const ledger = await Ledger.connect({ servers: untouched.server.url });
  const host = await ledger.host({ service: 'policy', model: () => aggregates([note])() });
  await host.ready;
  await write(ledger, 300, 'many');
  for (let at = 3; at <= LAST; at++) await write(ledger, 1, `marked-${String(at).padStart(2, '0')}`);
  const audit = await startAudit(ledger);
  await eventually(() => new AuditQueries(dataSource).has('policy', 0, LAST));
  await audit.stop();
  await ledger.drain();
  await untouched.server.stop();
});

afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
  await untouched?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function write(ledger: Ledger, count: number, text: string): Promise<void> {
  const texts = Array.from({ length: count }, () => text);
  const command = { type: 'write', texts } as { type: string };
  const actor = { principal: 'agt_1', kind: 'agent' } as const;
  await ledger.commands('policy').send({ tenant: 'tnt_a', aggregate: 'note', subject: 'n', command, actor });
}

/** The audit service without its API. */
async function startAudit(ledger: Ledger, tiles = new DiskTileStore(folder)) {
  const checkpoints = new Checkpoints(key, tiles);
  const keeper = new RecordKeeper({ ledger, tiles, checkpoints, log: silent });
  const host = await ledger.host({
    service: 'audit',
    model: () => new RecordModel(),
    dataSource,
    projections: [overAllTenants(auditIndex(ledger))],
    onOwned: (_partition, handle) => keeper.owned(handle),
    onLost: () => keeper.lost(),
  });
  await host.ready;
  return { checkpoints, stop: () => keeper.stop().then(() => host.stop()) };
}

/** What an audit that has just been started says about a broker that was attacked while nothing ran. */
async function saidOf(attack: (broker: AttackedBroker) => Promise<void>): Promise<[string, number, number][]> {
  await using broker = await AttackedBroker.start(untouched.folder);
  await attack(broker);
  const tiles = new DiskTileStore(folder);
  const checkpoints = new Checkpoints(key, tiles);
  const kept = await checkpoints.kept();
  await checkpoints.publish(await TileTree.open(tiles, kept?.size), kept?.heads ?? {});
  const ledger = await Ledger.connect({ servers: broker.server.url });
  try {
    const { problems } = await new IntegrityChecker(ledger, dataSource, checkpoints).check();
    for (const { text } of problems) expect(text).toContain('policy/00');
    return problems.map(({ kind, firstCommit, lastCommit }) => [kind, firstCommit, lastCommit]);
  } finally {
    await ledger.drain();
  }
}

/** The stream made anew out of what is left of it; commit `n` is at `n - 1`. */
const rewritten = (change: (messages: Stored[]) => Stored[]) => saidOf((broker) => broker.rewrite(STREAM, change));

function changed(message: Stored | undefined): Stored {
  const { data, headers } = message as Stored;
  return { headers, data: Buffer.from(Buffer.from(data).toString().replace('marked', 'MARKED')) };
}

test('nothing is wrong where nobody has touched anything', async () => {
  expect(await saidOf(async () => {})).toEqual([]);
});

test('a broker that stops in the middle and goes on later has lost nothing', async () => {
  verifies('audit.no_false_alarm');
  const commits = 500; // more than a reader asks for at once
  await using broker = await AttackedBroker.start();
  const ledger = await Ledger.connect({ servers: broker.server.url });
  const stream = { name: STREAM, subjects: ['ledger.policy.00'] };
  await (await jetstreamManager(ledger.nc)).streams.add(stream);
  for (let at = 1; at <= commits; at++) await jetstream(ledger.nc).publish('ledger.policy.00', `{"at":${at}}`);
  const read: number[] = [];
  for await (const { commit } of readStored(ledger, { service: 'policy', partition: 0 }, commits)) {
    read.push(commit);
    if (commit !== 1) continue;
    await broker.server.pause();
    setTimeout(() => void broker.server.resume(), 4_000); // longer than the reader waits for a message
  }
  expect(read).toEqual(Array.from({ length: commits }, (_, at) => at + 1));
  await ledger.drain();
});

test('a byte that was flipped in a stored block is named', async () => {
  verifies('audit.flipped_byte');
  // The broker refuses to read the message, or ends the stream before it.
  const said = await saidOf((broker) => broker.flipByte(STREAM, 'marked-11'));
  expect([[['missing', 11, 11]], [['cut', 11, LAST]]]).toContainEqual(said);
});

test('a commit that was changed, with a chain that holds, is named', async () => {
  verifies('audit.rewritten_history');
  expect(await rewritten((all) => all.with(6, changed(all[6])))).toEqual([['changed', 7, 7]]);
});

test('a commit that was taken out, with a chain that holds, is named, and so are those that moved up', async () => {
  verifies('audit.rewritten_history');
  expect(await rewritten((all) => all.toSpliced(6, 1))).toEqual([
    ['missing', 7, 7],
    ['reordered', 8, LAST],
  ]);
});

test('a commit that was put in between is named, and so are those that moved down', async () => {
  verifies('audit.rewritten_history');
  expect(await rewritten((all) => all.toSpliced(6, 0, changed(all[6])))).toEqual([
    ['inserted', 7, 7],
    ['reordered', 7, LAST],
  ]);
});

test('two that changed places are named', async () => {
  verifies('audit.rewritten_history');
  const swapped = await rewritten((all) => all.with(6, all[7] as Stored).with(7, all[6] as Stored));
  expect(swapped).toEqual([['reordered', 7, 8]]);
});

test('a tail that was cut off the file is named', async () => {
  verifies('audit.trimmed');
  expect(await saidOf((broker) => broker.truncate(STREAM, 'marked-16'))).toEqual([['cut', 16, LAST]]);
});

test('a stream that was trimmed by an update is named, and so is one that is gone', async () => {
  verifies('audit.trimmed');
  const trimming = { max_msgs: 5, discard: DiscardPolicy.Old };
  expect(await saidOf((broker) => broker.update(STREAM, trimming))).toEqual([['trimmed', 1, LAST - 5]]);
  expect(await rewritten(() => [])).toEqual([['cut', 1, LAST]]);
});

test('who changes the index with the ledger is contradicted by the tree, and who changes the index alone, too', async () => {
  verifies('audit.index_changed_too');
  const hash = `encode(sha256($1::bytea), 'hex')`;
  const { data } = changed({ data: await commitSeven(), headers: undefined as never });
  const forge = (body: Uint8Array) =>
    dataSource.query(`UPDATE sealed_commit SET hash = ${hash} WHERE service = 'policy' AND commit = 7`, [body]);
  const original = await commitSeven();
  await forge(data);
  expect(await rewritten((all) => all.with(6, changed(all[6])))).toEqual([['changed', 7, 7]]);
  expect(await saidOf(async () => {})).toEqual([['index', 7, 7]]);
  await forge(original);
});

test('who changes a tile is named for it, and the ledger is not accused', async () => {
  verifies('audit.index_changed_too');
  const tile = path.join(folder, 'tile/0/000');
  const before = await readFile(tile);
  const after = Buffer.from(before);
  after[250 * 32] = (after[250 * 32] as number) ^ 1;
  await writeFile(tile, after);
  expect(await saidOf(async () => {})).toEqual([['tile', 2, 2]]);
  await writeFile(tile, before);
});

test('a ledger that was set back is named, nothing is signed over it, and the lost commits are told', async () => {
  verifies('audit.rolled_back');
  await using older = await AttackedBroker.start(untouched.folder);
  await older.rewrite('LEDGER_AUDIT_00', (all) => all.slice(0, 1));
  await older.rewrite(STREAM, (all) => all.slice(0, 9));
  const ledger = await Ledger.connect({ servers: older.server.url });
  const note = await readFile(path.join(folder, 'checkpoint'), 'utf8');
  const audit = await startAudit(ledger);
  await eventually(() => audit.checkpoints.broken);
  const { problems } = await new IntegrityChecker(ledger, dataSource, audit.checkpoints).check();
  expect(problems).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'rolled_back', service: 'audit' }),
      expect.objectContaining({ kind: 'cut', service: 'policy', firstCommit: 10, lastCommit: LAST }),
    ]),
  );
  await audit.stop();
  await ledger.drain();
  expect(await readFile(path.join(folder, 'checkpoint'), 'utf8')).toBe(note);
});

test('a ledger whose lines give another tree than the one that was signed is named as a fork, also without tiles', async () => {
  verifies('audit.rolled_back');
  await using forked = await AttackedBroker.start(untouched.folder);
  await forked.rewrite(STREAM, (all) => all.with(6, changed(all[6])));
  const tiles = new DiskTileStore(await mkdtemp(path.join(tmpdir(), 'writ-forked-')));
  for (const name of ['checkpoint', 'heads']) await tiles.write(name, await readFile(path.join(folder, name)));
  const ledger = await Ledger.connect({ servers: forked.server.url });
  const audit = await startAudit(ledger, tiles);
  expect(await eventually(() => audit.checkpoints.broken)).toMatchObject({ kind: 'forked' });
  expect(audit.checkpoints.latest()).toBeUndefined();
  await audit.stop();
  await ledger.drain();
});

/** The body of commit 7 as it was written. */
async function commitSeven(): Promise<Uint8Array> {
  await using broker = await AttackedBroker.start(untouched.folder);
  const ledger = await Ledger.connect({ servers: broker.server.url });
  try {
    for await (const { bytes } of ledger.read('policy', 0, { from: 6, to: 7 })) return bytes;
    throw new Error('commit 7 is not there');
  } finally {
    await ledger.drain();
  }
}
