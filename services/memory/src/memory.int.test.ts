import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, verifies } from '@writ/testkit';
import pg from 'pg';
import { Installation } from './testing/installation.js';

const policies = `
  @id("own-repositories")
  permit (principal is Writ::Agent, action in [Writ::Action::"memory.read", Writ::Action::"memory.write"], resource)
  when { resource.id like "repo/*" };

  @id("no-secrets")
  @reason("secrets are not remembered")
  forbid (principal, action == Writ::Action::"memory.write", resource)
  when { context.arguments has text && context.arguments.text like "*BEGIN PRIVATE KEY*" };

  @id("cleaners")
  permit (principal == Writ::Agent::"agt_cleaner", action == Writ::Action::"memory.forget", resource);
`;
const cleaner = { sub: 'agt_cleaner' };

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.start();
  await Promise.all([installation.push(policies), installation.push(policies, 'tnt_2')]);
}, 120_000);
afterAll(() => installation[Symbol.asyncDispose]());

interface Remembered {
  id: string;
  position: string;
}
async function remember(scope: string, text: string, more: object = {}, claims = {}): Promise<Remembered> {
  const { status, body } = await installation.call('POST', '/v1/memory', { scope, text, ...more }, claims);
  expect([status, body]).toEqual([200, body]);
  return body as unknown as Remembered;
}
async function recall(scope: string, query: string, more: Record<string, string> = {}, claims = {}): Promise<string[]> {
  const search = new URLSearchParams({ scope, query, ...more });
  const { status, body } = await installation.call('GET', `/v1/memory:search?${search}`, undefined, claims);
  expect([status, body]).toEqual([200, body]);
  return (body['memories'] as { text: string }[]).map(({ text }) => text);
}

describe('remembering', () => {
  test('the same effect remembers once, whoever repeats it', async () => {
    verifies('memory.once');
    const effectId = 'remember#1-1-1';
    const first = await remember('repo/once', 'a finding', { effectId, attributes: { line: 12 } });
    expect(await remember('repo/once', 'a finding', { effectId, attributes: { line: 12 } })).toEqual(first);
    const together = await Promise.all(
      [1, 2, 3].map(() =>
        installation.call('POST', '/v1/memory', { scope: 'repo/once', text: 'b', effectId: 'remember#2-1-1' }),
      ),
    );
    const ids = new Set(together.filter(({ status }) => status === 200).map(({ body }) => body['id']));
    expect(ids.size).toBe(1);
    for (const { status, body } of together)
      if (status !== 200) expect(body).toMatchObject({ code: 'action.in_progress' });
    const other = await installation.call('POST', '/v1/memory', { scope: 'repo/once', text: 'other', effectId });
    expect(other).toMatchObject({ status: 422, body: { code: 'action.arguments_changed' } });
    const kept = (await installation.events('memory.remembered.v1')).filter(
      ({ data }) => (data as { scope: string }).scope === 'repo/once',
    );
    expect(kept.map(({ data }) => (data as { text: string }).text).sort()).toEqual(['a finding', 'b']);
  });

  test('who, when and in which run stand beside the text', async () => {
    const { position } = await remember(
      'repo/who',
      'seen',
      { attributes: { a: [1, null] } },
      { sub: 'agt_7', run: 'run_7' },
    );
    const { body } = await installation.call('GET', `/v1/memory?scope=repo/who&after=${position}`);
    expect(body['memories']).toEqual([
      expect.objectContaining({
        text: 'seen',
        scope: 'repo/who',
        attributes: { a: [1, null] },
        agent: 'agt_7',
        run: 'run_7',
      }),
    ]);
  });

  test('what the policy forbids is denied, and not in the ledger', async () => {
    verifies('memory.enforced');
    const secret = { scope: 'repo/a', text: '-----BEGIN PRIVATE KEY-----' };
    expect(await installation.call('POST', '/v1/memory', secret)).toMatchObject({
      status: 403,
      body: { code: 'policy.denied', detail: expect.stringContaining('secrets are not remembered') },
    });
    for (const [method, route, body] of [
      ['POST', '/v1/memory', { scope: 'hr/salaries', text: 'x' }],
      ['GET', '/v1/memory?scope=hr/salaries', undefined],
      ['GET', '/v1/memory:search?scope=hr/salaries&query=x', undefined],
    ] as const)
      expect(await installation.call(method, route, body)).toMatchObject({
        status: 403,
        body: { code: 'policy.denied' },
      });
    const narrow = {
      authorization_details: [{ type: 'writ' as const, actions: ['memory.*'], resources: ['repo/mine'] }],
    };
    const foreign = await installation.call('GET', '/v1/memory?scope=repo/a', undefined, narrow);
    expect(foreign).toMatchObject({ status: 403, body: { code: 'auth.missing_capability' } });
    const texts = (await installation.events('memory.remembered.v1')).map(({ data }) => JSON.stringify(data));
    expect(texts.filter((text) => /PRIVATE|salaries/.test(text))).toEqual([]);
  });
});

describe('searching', () => {
  let after: string[];
  beforeAll(async () => {
    const texts = [
      'the dependency left-pad is not pinned in package.json',
      'a token is hard-coded in src/config.ts',
      'README.md links to a page that is gone',
      'Übergabe der Schlüssel: siehe Handbuch, Seite 12',
    ];
    const all = [];
    for (const text of texts) all.push(await remember('repo/search', text));
    after = all.map(({ position }) => position);
  });
  const search = async (query: string, more: Record<string, string> = {}) => {
    for (const position of after) await installation.call('GET', `/v1/memory?scope=repo/search&after=${position}`);
    return recall('repo/search', query, more);
  };

  test('finds words, best first', async () => {
    verifies('memory.search');
    expect((await search('token config'))[0]).toContain('hard-coded');
    expect(await search('Schlüssel')).toEqual([expect.stringContaining('Übergabe')]);
    expect(await search('unrelated')).toEqual([]);
  });

  test('finds in spite of a slip of the fingers', async () => {
    expect(await search('dependancy')).toEqual([expect.stringContaining('left-pad')]);
    expect(await search('harcoded')).toEqual([expect.stringContaining('hard-coded')]);
  });

  test('a question of signs only, of quotes or of SQL is just a question', async () => {
    for (const query of ["';--", '"', '& | !', "x' OR '1'='1", '\\', '<->']) expect(await search(query)).toEqual([]);
    expect((await search("config'.ts")).length).toBeLessThanOrEqual(1);
  });

  test('the same question of the same effect gets the same answer, as far as it is still there', async () => {
    const effectId = 'recall#1-2-1';
    const found = await search('pinned', { effectId });
    await remember('repo/search', 'nothing is pinned here either');
    expect(await search('pinned', { effectId })).toEqual(found);
    await eventually(async () => (await search('pinned')).length === 2);
  });

  test('what was remembered before the question is found, also while the view does not have it yet', async () => {
    verifies('memory.own_words');
    const client = new pg.Client({ connectionString: installation.postgresUrl });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE memory.memory IN EXCLUSIVE MODE'); // reads pass, the projection waits
    await remember('repo/fresh', 'said a moment ago');
    const asked = async () => (await installation.events('action.intended.v1')).length;
    const before = await asked();
    const recalling = recall('repo/fresh', 'moment');
    await eventually(async () => (await asked()) > before);
    await client.query('COMMIT');
    expect(await recalling).toEqual(['said a moment ago']);
    await client.end();
  });

  test('a page goes on where the last one ended', async () => {
    const ids: string[] = [];
    for (let token = ''; ;) {
      const { body } = await installation.call('GET', `/v1/memory?scope=repo/search&page_size=2&page_token=${token}`);
      ids.push(...(body['memories'] as { id: string }[]).map(({ id }) => id));
      token = String(body['nextPageToken']);
      if (token === '') break;
    }
    expect(new Set(ids).size).toBe(5);
    expect(ids.length).toBe(5);
  });

  test('a word that is no position of memory is refused, not an error of ours', async () => {
    for (const position of ['yesterday', 'policy/00/1/0', 'memory/99/1/0']) {
      const { status, body } = await installation.call('GET', `/v1/memory?scope=repo/search&after=${position}`);
      expect([status, body['code']]).toEqual([400, 'request.invalid']);
    }
  });

  test('another tenant sees nothing of it, also under the same scope and by id', async () => {
    verifies('memory.tenant_wall');
    const theirs = { tenant: 'tnt_2' };
    expect(await recall('repo/search', 'token config dependency', {}, theirs)).toEqual([]);
    const { body } = await installation.call('GET', '/v1/memory?scope=repo/search', undefined, theirs);
    expect(body['memories']).toEqual([]);
    const { id } = await remember('repo/search', 'ours alone');
    const denied = await installation.call('DELETE', `/v1/memory/${id}`, undefined, { tenant: 'tnt_2', ...cleaner });
    expect(denied).toMatchObject({ status: 404, body: { code: 'memory.not_found' } });
  });
});

describe('forgetting', () => {
  test('takes the text out of the view at once for good, and again changes nothing', async () => {
    verifies('memory.forget');
    const { id } = await remember('repo/forget', 'a name that must go');
    expect(await installation.call('DELETE', `/v1/memory/${id}`)).toMatchObject({
      status: 403,
      body: { code: 'policy.denied' },
    });
    const { status, body } = await installation.call('DELETE', `/v1/memory/${id}?reason=asked`, undefined, cleaner);
    expect([status, body]).toEqual([200, { position: expect.stringMatching(/^memory\//) }]);
    const more = { after: String(body['position']) };
    expect(await recall('repo/forget', 'a name that must go', more)).toEqual([]);
    const list = await installation.call('GET', '/v1/memory?scope=repo/forget');
    expect(list.body['memories']).toEqual([]);
    expect((await rows()).filter((row) => JSON.stringify(row).includes('must go'))).toEqual([]);
    expect((await installation.call('DELETE', `/v1/memory/${id}`, undefined, cleaner)).status).toBe(200);
    const forgotten = (await installation.events('memory.forgotten.v1')).filter(({ subject }) => subject === id);
    expect(forgotten.map(({ data }) => data)).toEqual([{ scope: 'repo/forget', reason: 'asked' }]);
  });

  test('what was acknowledged can be forgotten, also while the view does not have it yet', async () => {
    const client = new pg.Client({ connectionString: installation.postgresUrl });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE memory.memory IN EXCLUSIVE MODE'); // reads pass, the projection waits
    const { id } = await remember('repo/forget', 'gone before it was seen');
    const forgetting = installation.call('DELETE', `/v1/memory/${id}`, undefined, cleaner);
    await Promise.race([forgetting, new Promise((resolve) => setTimeout(resolve, 200))]);
    await client.query('COMMIT');
    expect((await forgetting).status).toBe(200);
    await client.end();
  });

  test('what nobody ever remembered is not there', async () => {
    const { status, body } = await installation.call('DELETE', '/v1/memory/mem_nothing', undefined, cleaner);
    expect([status, body['code']]).toEqual([404, 'memory.not_found']);
  });
});

describe('the view', () => {
  test('built again from the ledger is the same', async () => {
    verifies('memory.rebuild');
    const remembered = (await installation.events('memory.remembered.v1')).length;
    const forgotten = (await installation.events('memory.forgotten.v1')).length;
    const complete = (all: Row[]) =>
      all.length === remembered && all.filter((row) => row.forgotten).length === forgotten;
    const before = await eventually(async () => (complete(await rows()) ? rows() : undefined));
    expect(before.length).toBeGreaterThan(8);
    await installation.withoutMemory(async () => {
      const client = new pg.Client({ connectionString: installation.postgresUrl });
      await client.connect();
      await client.query('DELETE FROM memory.memory');
      const tables = await client.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'memory' AND table_name LIKE '%checkpoint%'",
      );
      for (const { table_name: table } of tables.rows as { table_name: string }[])
        await client.query(`DELETE FROM memory.${table}`);
      expect(tables.rows.length).toBe(1);
      await client.end();
      expect(await rows()).toEqual([]);
    });
    expect(await eventually(async () => (complete(await rows()) ? rows() : undefined))).toEqual(before);
  });
});

interface Row {
  forgotten: boolean;
}

async function rows(): Promise<Row[]> {
  const client = new pg.Client({ connectionString: installation.postgresUrl });
  await client.connect();
  try {
    return (await client.query('SELECT * FROM memory.memory ORDER BY tenant, id')).rows as Row[];
  } finally {
    await client.end();
  }
}
