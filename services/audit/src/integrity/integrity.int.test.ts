import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ledger } from '@writ/ledger';
import { aggregates, type Aggregate } from '@writ/ledger/domain';
import { openPostgres } from '@writ/platform';
import { startNats, type NatsServer } from '@writ/servers';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import type { DataSource } from 'typeorm';
import { Audit0001 } from '../migrations/0001-audit.js';
import { IntegrityChecker } from './checker.js';

type Noted = { type: 'note.written.v1'; data: { text: string } };
const note: Aggregate<null, { type: 'write'; text: string }, Noted> = {
  name: 'note',
  initial: null,
  events: ['note.written.v1'],
  decide: ({ text }) => [{ type: 'note.written.v1', data: { text } }],
  evolve: (state) => state,
};
const COMMITS = 20;

let nats: NatsServer;
let folder: string;
let dataSource: DataSource;
let backends: Backends;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'writ-flip-'));
  nats = await startNats({ dataDir: folder, scratch: true });
  backends = await startBackends();
  dataSource = await openPostgres({
    url: backends.postgresUrl,
    schema: 'audit',
    entities: [],
    migrations: [Audit0001],
  });
});

afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
  await nats?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Changes one byte inside the text of commit `number` in the file that the broker keeps. */
async function flipByte(stream: string, text: string): Promise<void> {
  const files = (await readdir(folder, { recursive: true })).filter(
    (file) => file.includes(`${stream}/msgs/`) && file.endsWith('.blk'),
  );
  for (const file of files) {
    const bytes = await readFile(path.join(folder, file));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at] = (bytes[at] as number) ^ 1;
    await writeFile(path.join(folder, file), bytes);
    return;
  }
  throw new Error(`${text} is in no block of ${stream}`);
}

test('a byte that was flipped in a stored block is detected, and its commit is named', async () => {
  verifies('audit.flipped_byte');
  let ledger = await Ledger.connect({ servers: nats.url });
  const host = await ledger.host({ service: 'policy', model: () => aggregates([note])() });
  await host.ready;
  for (let at = 0; at < COMMITS; at++) {
    const command = { type: 'write', text: `marked-${String(at).padStart(2, '0')}` };
    await ledger.commands('policy').send({
      tenant: 'tnt_a',
      aggregate: 'note',
      subject: 'n',
      command,
      actor: { principal: 'agt_1', kind: 'agent' },
    });
  }
  const recorded = [];
  for await (const { service, partition, commit, hash, prev } of ledger.read('policy', 0))
    recorded.push([service, partition, commit, hash, prev]);
  for (const row of recorded) await dataSource.query('INSERT INTO sealed_commit VALUES ($1, $2, $3, $4, $5)', row);
  expect((await new IntegrityChecker(ledger, dataSource).check()).problems).toEqual([]);
  await ledger.drain();
  await nats.kill();

  await flipByte('LEDGER_POLICY_00', 'marked-11');
  await nats.restart();
  ledger = await Ledger.connect({ servers: nats.url });
  const { problems, commits } = await new IntegrityChecker(ledger, dataSource).check();
  await ledger.drain();
  expect(commits).toBe(recorded.length);
  // Commit 1 is the claim; the broker either hands out the changed body or refuses to read it.
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatchObject({ service: 'policy', partition: 0 });
  expect(['changed', 'missing', 'cut']).toContain(problems[0]?.kind);
  expect(problems[0]?.firstCommit).toBe(13);
});
