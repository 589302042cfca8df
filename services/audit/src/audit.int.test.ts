import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TestClaims } from '@writ/enforcement/testing';
import { verify } from '@writ/sdk';
import { eventually, verifies } from '@writ/testkit';
import { openCheckpoint } from './checkpoint/note.js';
import { Installation } from './testing/installation.js';
import { verifyBySigstore } from './testing/verify-by-sigstore.js';
import { verifyOffline } from './testing/verify-offline.js';

interface Found {
  event: { id: string; subject: string; data: unknown; position: string; time: string };
  leafIndex: string;
  leafHash: string;
}
interface Checkpoint {
  checkpoint: string;
  treeSize: string;
  rootHash: string;
  verifierKey: string;
}

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

async function search(query: Record<string, string>, claims?: TestClaims): Promise<Found[]> {
  const { status, body } = await installation.get(`/v1/audit/events?${new URLSearchParams(query)}`, claims);
  expect([status, body]).toEqual([200, body]);
  return body['events'] as Found[];
}
const dataOf = (found: readonly Found[]) => found.map(({ event }) => event.data);
async function checkpoint(): Promise<Checkpoint> {
  return (await (await installation.fetch('/v1/audit/checkpoint')).json()) as Checkpoint;
}
const sha256 = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const bytes = (text: unknown) => Buffer.from(String(text), 'base64');

describe('searching the record', () => {
  let after: string;
  beforeAll(async () => {
    const mine = { actor: { principal: 'agt_search', run: 'run_s' } };
    await installation.note('a', [{ data: 1 }, { data: 2, type: 'note.struck.v1' }], mine);
    await installation.note('run_s', [{ data: 3 }], { actor: { principal: 'scheduler', kind: 'service' } });
    await installation.note('b', [{ data: { run: 'run_s' } }], { actor: { principal: 'policy', kind: 'service' } });
    ({ position: after } = await installation.note('a', [{ data: 5 }], { actor: { principal: 'agt_other' } }));
    await search({ after });
  });

  test('agent, run, type, subject and time choose, together', async () => {
    verifies('audit.search');
    expect(dataOf(await search({ agent: 'agt_search' })).sort()).toEqual([1, 2]);
    expect(dataOf(await search({ run: 'run_s' }))).toHaveLength(4);
    expect(dataOf(await search({ run: 'run_s' }))).toEqual(expect.arrayContaining([1, 2, 3, { run: 'run_s' }]));
    expect(dataOf(await search({ run: 'run_s', type: 'note.struck.v1' }))).toEqual([2]);
    expect(dataOf(await search({ agent: 'agt_search', type: 'note.w*' }))).toEqual([1]);
    expect(dataOf(await search({ subject: 'a', agent: 'agt_other' }))).toEqual([5]);
    const [last] = await search({ subject: 'a', agent: 'agt_other' });
    const { time } = last!.event;
    expect(dataOf(await search({ from_time: time, subject: 'a', agent: 'agt_other' }))).toEqual([5]);
    expect(dataOf(await search({ to_time: time, subject: 'a', agent: 'agt_other' }))).toEqual([]);
  });

  test('pages follow each other in both directions, without a gap and without a repeat', async () => {
    const all = (await search({ type: 'note.*', page_size: '1000' })).map(({ leafIndex }) => leafIndex);
    for (const ascending of ['true', 'false']) {
      const pages: string[] = [];
      for (let token = ''; ;) {
        const query = new URLSearchParams({ type: 'note.*', page_size: '2', page_token: token, ascending });
        const { body } = await installation.get(`/v1/audit/events?${query}`);
        pages.push(...(body['events'] as Found[]).map(({ leafIndex }) => leafIndex));
        token = String(body['nextPageToken']);
        if (token === '') break;
      }
      expect(pages).toEqual(ascending === 'true' ? all.toReversed() : all);
    }
  });

  test('a token that came with no page, and a position that is none, are refused', async () => {
    for (const [query, code] of [
      ['page_token=next', 'request.invalid'],
      ['after=yesterday', 'audit.bad_position'],
      ['page_size=100000', 'request.invalid'],
    ]) {
      const { status, body } = await installation.get(`/v1/audit/events?${query}`);
      expect([status, body['code']]).toEqual([400, code]);
    }
  });

  test('one event comes with the exact line whose hash is the leaf', async () => {
    const [found] = await search({ agent: 'agt_other' });
    const { body } = await installation.get(`/v1/audit/events/${found!.event.id}`);
    const line = Buffer.from(String(body['line']));
    expect(sha256(Buffer.of(0), line).toString('base64')).toBe(found!.leafHash);
    expect(JSON.parse(line.toString())).toMatchObject({ id: found!.event.id, subject: 'a' });
  });

  test('another tenant finds nothing, and nobody does without the capability', async () => {
    verifies('audit.tenant_wall');
    const theirs = { tenant: 'tnt_2' };
    const [ours] = await search({ agent: 'agt_other' });
    for (const query of [{}, { run: 'run_s' }, { agent: 'agt_other' }]) expect(await search(query, theirs)).toEqual([]);
    for (const route of ['', '/proof'])
      expect(await installation.get(`/v1/audit/events/${ours!.event.id}${route}`, theirs)).toMatchObject({
        status: 404,
        body: { code: 'audit.not_found' },
      });
    const { body } = await installation.get('/v1/audit/bundle?run=run_s', theirs);
    expect(body).toMatchObject({ events: 0 });
    const without = { authorization_details: [{ type: 'writ' as const, actions: ['event.read'] }] };
    expect(await installation.get('/v1/audit/events', without)).toMatchObject({
      status: 403,
      body: { code: 'auth.missing_capability' },
    });
  });
});

describe('proving', () => {
  test('the bundle of a run verifies by the SDK and by a program that has nothing of ours; a changed one by neither', async () => {
    verifies('audit.bundle');
    const actor = { run: 'run_b' };
    await installation.note('c', [{ data: 'one' }, { data: 'two – ünïcödé \u2028' }], { actor });
    const { position } = await installation.note('d', [{ data: 'three' }], { actor });
    const { body } = await installation.get(`/v1/audit/bundle?run=run_b&after=${position}`);
    expect(body['events']).toBe(3);
    const bundle = String(body['bundle']);
    const { verifierKey } = await checkpoint();
    const verified = await verify(bundle, { log: verifierKey });
    expect(verified).toMatchObject({ ok: true, events: [{ data: 'one' }, {}, { data: 'three' }] });
    const offline = await verifyOffline(bundle, verifierKey);
    expect(offline).toEqual({
      code: 0,
      out: { verified: true, events: 3, problems: [], treeSize: expect.any(Number) },
    });
    const changed = bundle.replace('three', 'threa');
    expect(await verify(changed, { log: verifierKey })).toMatchObject({
      ok: false,
      error: { code: 'proof.not_included' },
    });
    expect((await verifyOffline(changed, verifierKey)).code).toBe(10);
  });

  test("the bundle verifies with Sigstore's implementation of RFC 6962 and of signed notes, and a changed one does not", async () => {
    verifies('audit.independent');
    const { position } = await installation.note('i', [{ data: 'one' }, { data: 'two' }], { actor: { run: 'run_i' } });
    const { body } = await installation.get(`/v1/audit/bundle?run=run_i&after=${position}`);
    const { verifierKey } = await checkpoint();
    expect(verifyBySigstore(String(body['bundle']), verifierKey)).toBe(2);
    expect(() => verifyBySigstore(String(body['bundle']).replace('two', 'tvo'), verifierKey)).toThrow(
      /calculated root hash does not match/,
    );
    const another = verifierKey.replace(/\+[0-9a-f]{8}\+/, '+00000000+');
    expect(() => verifyBySigstore(String(body['bundle']), another)).toThrow(/invalid checkpoint signature/);
  });

  test('an inclusion proof leads from the line to the root that is signed', async () => {
    const { ids, position } = await installation.note('e', [{ data: 'proven' }]);
    await search({ after: position });
    const {
      checkpoint: note,
      treeSize,
      verifierKey,
    } = await eventually(async () => {
      const now = await checkpoint();
      const [found] = await search({ subject: 'e' });
      return Number(now.treeSize) > Number(found!.leafIndex) && now;
    });
    const { body: event } = await installation.get(`/v1/audit/events/${ids[0]}`);
    const { body: proof } = await installation.get(`/v1/audit/events/${ids[0]}/proof?tree_size=${treeSize}`);
    const events = [{ line: event['line'], index: Number(proof['leafIndex']), proof: proof['hashes'] }];
    const bundle = { format: 'writ-bundle/1', origin: 'writ.example/test', checkpoint: note, events };
    expect((await verifyOffline(JSON.stringify(bundle), verifierKey)).code).toBe(0);
    const early = await installation.get(`/v1/audit/events/${ids[0]}/proof?tree_size=1`);
    expect([early.status, early.body['code']]).toEqual([400, 'audit.bad_size']);
  });

  test('a later checkpoint extends an earlier one, and a consistency proof shows it', async () => {
    verifies('audit.consistency');
    const before = await checkpoint();
    await installation.note('f', [{ data: 1 }, { data: 2 }, { data: 3 }]);
    const after = await eventually(async () => {
      const now = await checkpoint();
      return BigInt(now.treeSize) > BigInt(before.treeSize) && now;
    });
    for (const each of [before, after])
      expect(openCheckpoint(each.checkpoint, each.verifierKey)).toEqual({
        size: Number(each.treeSize),
        root: bytes(each.rootHash),
      });
    const route = `/v1/audit/consistency?from=${before.treeSize}&to=${after.treeSize}`;
    const { hashes } = (await (await installation.fetch(route)).json()) as { hashes: string[] };
    const roots = rootsOf(Number(before.treeSize), Number(after.treeSize), bytes(before.rootHash), hashes.map(bytes));
    expect(roots).toEqual([bytes(before.rootHash), bytes(after.rootHash)]);
    const shrunk = await installation.fetch(`/v1/audit/consistency?from=${after.treeSize}&to=${before.treeSize}`);
    expect(await shrunk.json()).toMatchObject({ code: 'audit.bad_size' });
  });

  test('anyone can compute the signed root from the published tiles', async () => {
    const note = await (await installation.fetch('/checkpoint')).text();
    const { size, root } = openCheckpoint(note, (await checkpoint()).verifierKey)!;
    expect(size).toBeLessThan(256);
    const tile = Buffer.from(await (await installation.fetch(`/tile/0/000.p/${size}`)).arrayBuffer());
    const leaves = Array.from({ length: size }, (_, at) => tile.subarray(at * 32, at * 32 + 32));
    expect(rootOf(leaves)).toEqual(root);
    for (const path of ['/tile/0/../key.pem', '/tile/%2e%2e/key.pem', '/tile/0/999', '/tile/../../etc/passwd'])
      expect((await installation.fetch(path)).status).toBe(404);
  });

  test('nothing is missing from the broker', async () => {
    const { body } = await installation.get('/v1/audit/integrity');
    expect(body['integrity']).toMatchObject({ problems: [], commits: expect.stringMatching(/^[1-9]/) });
  });
});

/** RFC 6962 section 2.1. */
function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length <= 1) return leaves[0] ?? sha256();
  const middle = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, middle)), rootOf(leaves.slice(middle)));
}

/** Both roots that a consistency proof leads to, RFC 9162 section 2.1.4.2. */
function rootsOf(from: number, to: number, first: Buffer, proof: readonly Buffer[]): [Buffer, Buffer] {
  const path = Number.isInteger(Math.log2(from)) ? [first, ...proof] : [...proof];
  let [fn, sn] = [from - 1, to - 1];
  while (fn % 2 === 1) [fn, sn] = [fn >> 1, sn >> 1];
  let [fr, sr] = [path[0] as Buffer, path[0] as Buffer];
  for (const hash of path.slice(1)) {
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [sha256(Buffer.of(1), hash, fr), sha256(Buffer.of(1), hash, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else sr = sha256(Buffer.of(1), sr, hash);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  expect(sn).toBe(0);
  return [fr, sr];
}
