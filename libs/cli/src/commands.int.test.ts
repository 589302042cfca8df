import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '@writ/servers';
import { eventually, verifies } from '@writ/testkit';
import { FakeServer } from './testing/fake-server.js';
import { emptyFolder, startWrit, writ } from './testing/writ.js';

let server: FakeServer;
let place: Awaited<ReturnType<typeof emptyFolder>>;
beforeEach(async () => {
  [server, place] = await Promise.all([FakeServer.start(), emptyFolder()]);
});
afterEach(async () => {
  await Promise.all([server[Symbol.asyncDispose](), place[Symbol.asyncDispose]()]);
});

const env = () => ({ WRIT_URL: server.url, WRIT_TOKEN: 'a-token' });
const run = (...args: string[]) => writ(args, { cwd: place.folder, env: env() });
const aRun = {
  id: 'run_1',
  workflow: 'hello',
  state: 'RUN_STATE_WAITING',
  waitingOn: 'message go',
  entries: 3,
  createTime: '2020-01-01T00:00:00Z',
};

describe('output', () => {
  test('with --json is the body of the REST answer, field for field, also of fields that are not known here', async () => {
    verifies('cli.json');
    const body = { runs: [{ ...aRun, newField: { a: 1 } }], nextPageToken: '' };
    server.json('GET /v1/runs', body);
    const { code, out, err } = await run('run', 'list', '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(JSON.parse(out)).toEqual(body);
  });

  test.each([
    [
      'table',
      'ID     WORKFLOW  STATE    WAITING ON  ENTRIES  STARTED\nrun_1  hello     waiting  message go        3  2020-01-01\n',
    ],
    ['jsonl', `${JSON.stringify(aRun)}\n`],
    ['name', 'run_1\n'],
  ])('as %s', async (format, expected) => {
    server.json('GET /v1/runs', { runs: [aRun], nextPageToken: '' });
    const { out } = await run('run', 'list', '-o', format);
    expect(out).toBe(expected);
  });

  test('an empty list is no error, and says so on stderr only', async () => {
    server.json('GET /v1/runs', { runs: [], nextPageToken: '' });
    expect(await run('run', 'list')).toEqual({ code: 0, out: '', err: expect.stringContaining('no runs') });
  });

  test('filters, pages and the project go to the server', async () => {
    server.json('GET /v1/runs', { runs: [aRun], nextPageToken: 'next' });
    const { err } = await run(
      '--project',
      'tnt_1',
      'run',
      'list',
      '--state',
      'waiting',
      '--workflow',
      'a "b"',
      '--limit',
      '1',
      '--page-token',
      'p',
    );
    expect(err).toContain('--page-token next');
    const [{ query, headers }] = server.seen as [(typeof server.seen)[0]];
    expect(Object.fromEntries(query)).toEqual({
      filter: 'state = "waiting" AND workflow = "a \\"b\\""',
      pageSize: '1',
      pageToken: 'p',
    });
    expect(headers).toMatchObject({ authorization: 'Bearer a-token', 'writ-tenant': 'tnt_1' });
  });
});

describe('errors', () => {
  test.each([
    [400, 2],
    [401, 4],
    [403, 5],
    [404, 3],
    [409, 6],
    [412, 6],
    [500, 1],
    [503, 7],
  ])('HTTP %d exits %d; with --json the document of the server is all there is', async (status, exit) => {
    verifies('cli.exit_codes');
    verifies('cli.problem');
    server.problem('GET /v1/runs/run_1', status, 'some.thing', { hint: 'do this', details: { a: 1 } });
    const { code, out, err } = await run('run', 'get', 'run_1', '--json');
    expect({ code, out }).toEqual({ code: exit, out: '' });
    expect(JSON.parse(err)).toEqual({
      type: 'urn:writ:error:some.thing',
      title: 'A title',
      status,
      detail: 'it is some.thing',
      code: 'some.thing',
      request_id: 'req_1',
      hint: 'do this',
      details: { a: 1 },
    });
  });

  test('are told with why, what to try, where to read, and the request', async () => {
    const reasons = [{ code: 'forbid', policy: 'refunds', text: 'refunds over 500 need finance' }];
    server.problem('POST /v1/runs/run_1:cancel', 403, 'policy.denied', { hint: 'ask finance', details: { reasons } });
    const { out, err } = await run('run', 'cancel', 'run_1', '--reason', 'x');
    expect(out).toBe('');
    expect(err.split('\n')).toEqual([
      'error: it is policy.denied (policy.denied)',
      '  why   refunds over 500 need finance   policy refunds',
      '  try   ask finance',
      '  docs  https://writ.dev/errors/policy.denied   request req_1',
      '',
    ]);
  });

  test('fields that break a rule are named', async () => {
    const errors = [{ pointer: '#/pageSize', detail: 'must be at most 1000' }];
    server.problem('GET /v1/runs', 400, 'request.invalid', { errors });
    expect((await run('run', 'list', '--limit', '5000')).err).toContain('why   pageSize: must be at most 1000');
  });

  test('what may heal is tried again', async () => {
    let asked = 0;
    server.on('GET /v1/runs', (_request, response) => {
      if (++asked < 3) response.writeHead(503, { 'retry-after': '1' }).end('{"code":"a.b","detail":"soon"}');
      else response.end(JSON.stringify({ runs: [], nextPageToken: '' }));
    });
    expect((await run('run', 'list')).code).toBe(0);
    expect(asked).toBe(3);
  });

  test('nothing there, no answer in time, and something else there exit 7', async () => {
    verifies('cli.unreachable');
    server.on('GET /v1/runs', () => {}).on('GET /v1/agents', (_request, response) => response.end('<html>'));
    const nothing = await writ(['run', 'list', '--url', `http://127.0.0.1:${await freePort()}`], {
      cwd: place.folder,
      env: { WRIT_TOKEN: 'a-token' },
    });
    expect(nothing.code).toBe(7);
    expect(nothing.err).toContain('nothing listens there');
    const late = await run('run', 'list', '--timeout', '0.3');
    expect(late.code).toBe(7);
    expect(late.err).toContain('request.deadline_exceeded');
    expect((await run('agent', 'list')).code).toBe(7);
  });

  test('Ctrl-C ends a call that hangs, with 130', async () => {
    verifies('cli.interrupt');
    server.on('GET /v1/runs', () => {});
    const { child, ended } = startWrit(['run', 'list'], { cwd: place.folder, env: env() });
    await eventually(() => server.seen.length > 0);
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: 130, out: '', err: '' });
  });
});

describe('watching a run', () => {
  const event = (type: string, more: object = {}) => ({
    id: `evt_${type}`,
    type,
    subject: 'run_1',
    time: '2026-11-23T08:00:00Z',
    data: {},
    ...more,
  });

  test.each([
    ['run.succeeded.v1', 0],
    ['run.failed.v1', 8],
    ['run.cancelled.v1', 8],
  ])('until %s exits %d; a stream that breaks off goes on where it broke', async (last, exit) => {
    verifies('cli.watch');
    const afters: (string | null)[] = [];
    server.json('GET /v1/runs/run_1', { run: aRun }).events('GET /v1/events', ({ query }) => {
      afters.push(query.get('after'));
      if (afters.length === 1)
        return { frames: [{ id: 'c1', data: { event: event('run.started.v1'), cursor: 'c1' } }], then: 'break' };
      if (afters.length === 2) return { frames: [], then: 'end' };
      const other = event('run.failed.v1', { subject: 'run_2' });
      return {
        frames: [
          { id: 'c2', data: { event: other } },
          { id: 'c3', data: { event: event(last) } },
        ],
        then: 'end',
      };
    });
    const { code, out } = await run('run', 'watch', 'run_1', '--json');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { type: string }).type),
    ).toEqual(['run.started.v1', 'run.failed.v1', last]);
    expect(afters).toEqual(['start', 'c1', 'c1']);
    expect(code).toBe(exit);
  });

  test('that does not exist ends at once', async () => {
    server.problem('GET /v1/runs/nope', 404, 'run.not_found');
    expect((await run('run', 'watch', 'nope')).code).toBe(3);
  });
});

describe('following what steps write', () => {
  const step = 'draft/1';
  const frames = [
    { id: 'c1', data: { deltas: [{ step, attempt: 1, started: true }, { step, attempt: 1, data: 'once ' }], cursor: 'c1' } },
    { id: 'c2', data: { deltas: [{ step, attempt: 1, failed: true }], cursor: 'c2' } },
    { id: 'c3', data: { deltas: [{ step, attempt: 2, started: true }, { step, attempt: 2, data: 'upon \u001b[2J' }], cursor: 'c3' } },
    { id: 'c4', data: { deltas: [{ step, attempt: 2, data: { page: 1 } }], cursor: 'c4', ended: 'RUN_STATE_SUCCEEDED' } },
  ]; // prettier-ignore

  test('prints tokens as they come, says what is superseded, and goes on where the stream broke off', async () => {
    verifies('cli.follow');
    const afters: (string | null)[] = [];
    server.events('GET /v1/runs/run_1:stream', ({ query }) => {
      afters.push(query.get('after'));
      return afters.length === 1
        ? { frames: frames.slice(0, 2), then: 'break' }
        : { frames: frames.slice(2), then: 'end' };
    });
    const { code, out, err } = await run('run', 'follow', 'run_1', '--after', 'c0');
    expect(out).toBe('once \nupon \\u{1b}[2J\n{"page":1}\n');
    expect(err).toContain('draft/1: attempt 1 has failed; what it wrote is superseded');
    expect([code, afters]).toEqual([0, ['c0', 'c2']]);
  });

  test('gives one part of the stream a line to programs, each with its cursor', async () => {
    server.events('GET /v1/runs/run_1:stream', () => ({ frames, then: 'end' }));
    const { out } = await run('run', 'follow', 'run_1', '--json');
    expect(out.trim().split('\n').map((line) => (JSON.parse(line) as { cursor: string }).cursor)).toEqual(['c1', 'c2', 'c3', 'c4']); // prettier-ignore
  });
});

describe('a run', () => {
  test('is asked again under the same key until an update is done, and its answer is the output', async () => {
    let asked = 0;
    server.on('POST /v1/runs/run_1:update', (_request, response) => {
      const body = ++asked === 1 ? { done: false } : { done: true, jsonAnswer: { left: 20 } };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const { code, out, err } = await run('run', 'update', 'run_1', 'withdraw', '--data', '{"cents":80}');
    expect({ code, out: JSON.parse(out) as unknown }).toEqual({ code: 0, out: { left: 20 } });
    expect(err).toContain('accepted, and not done yet');
    const [first, second] = server.seen.map(({ body }) => body as { idempotencyKey: string });
    expect(first).toMatchObject({ update: 'withdraw', jsonData: { cents: 80 } });
    expect(second).toEqual(first);
  });

  test('whose update fails makes it exit 8, and a query prints the answer', async () => {
    const error = { code: 'wallet.frozen', message: 'it is frozen' };
    server.json('POST /v1/runs/run_1:update', { done: true, error });
    server.json('POST /v1/runs/run_1:query', { jsonAnswer: 100 });
    expect(await run('run', 'update', 'run_1', 'withdraw')).toMatchObject({ code: 8, out: '' });
    expect(await run('run', 'query', 'run_1', 'balance')).toMatchObject({ code: 0, out: '100\n' });
  });
});

describe('sandbox exec', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const ends = (end: object) =>
    server.events('POST /v1/sandboxes/sbx_1:exec', () => ({
      frames: [
        { data: { stdout: base64('out\n') } },
        { data: { stderr: base64('err\n') } },
        { data: { end: { exitCode: 0, reason: 'exit', signal: '', ...end } } },
      ],
      then: 'end',
    }));

  test('streams both outputs, sends what it was given, and exits 0 with the command', async () => {
    verifies('cli.exec');
    ends({});
    const args = ['sandbox', 'exec', 'sbx_1', '--env', 'A=b=c', '--limit', '5', '--stdin', '--', 'ls', '--json'];
    const { code, out, err } = await writ(args, { cwd: place.folder, env: env(), input: 'data' });
    expect({ code, out, err }).toEqual({ code: 0, out: 'out\n', err: 'err\n' });
    expect(server.seen[0]?.body).toMatchObject({
      argv: ['ls', '--json'],
      env: { A: 'b=c' },
      timeout: '5s',
      stdin: base64('data'),
    });
  });

  test.each([
    [{ exitCode: 3 }, 'exit code 3'],
    [{ exitCode: -1, reason: 'oom' }, 'out of memory'],
    [{ exitCode: -1, reason: 'signal', signal: 'SIGKILL' }, 'killed by SIGKILL'],
    [{ exitCode: -1, reason: 'timeout' }, 'timeout'],
  ])('that ended with %j exits 1 and says so', async (end, told) => {
    ends(end);
    const { code, err } = await run('sandbox', 'exec', 'sbx_1', '--', 'ls');
    expect({ code, err }).toEqual({ code: 1, err: `err\nthe command failed: ${told}\n` });
  });
});

describe('tool call', () => {
  const answer = (outcome: string, more: object = {}) =>
    server.json('POST /v1/tools:call', {
      outcome,
      content: [],
      isError: false,
      decision: { reasons: [], approvalId: '' },
      position: '',
      ...more,
    });

  test('prints what the tool said', async () => {
    answer('done', { content: [{ type: 'text', text: 'hi\u001b[2J' }] });
    expect(await run('tool', 'call', 'a/b', '--arguments', '{"x":1}')).toEqual({
      code: 0,
      out: 'hi\\u{1b}[2J\n',
      err: '',
    });
    expect(server.seen[0]?.body).toMatchObject({ tool: 'a/b', arguments: { x: 1 } });
  });

  test('that policy denies exits 5 with the reasons, with --json the decision on stdout', async () => {
    verifies('cli.denied');
    answer('denied', { decision: { reasons: [{ text: 'not there', policy: 'p1', code: 'forbid' }] } });
    const told = await run('tool', 'call', 'a/b');
    expect({ code: told.code, out: told.out }).toEqual({ code: 5, out: '' });
    expect(told.err).toContain('why   not there   policy p1');
    const json = await run('tool', 'call', 'a/b', '--json');
    expect(json.code).toBe(5);
    expect(JSON.parse(json.out)).toMatchObject({ outcome: 'denied' });
  });

  test('that wants an approval says how to go on', async () => {
    answer('ask', { decision: { reasons: [], approvalId: 'apr_1' } });
    const { code, err } = await run('tool', 'call', 'a/b', '--effect-id', 'e1');
    expect(code).toBe(5);
    expect(err).toContain('writ approval get apr_1');
    expect(err).toContain('--effect-id e1');
  });
});

describe('what cannot be taken back', () => {
  test('is not done where nobody can be asked', async () => {
    verifies('cli.confirm');
    server.json('POST /v1/revocations', { grants: 2, runs: ['run_1'], eventId: 'evt_1', epoch: '7' });
    const { code, err } = await run('revoke', 'agt_1', '--reason', 'leaked');
    expect(code).toBe(2);
    expect(err).toContain('--yes');
    expect(server.seen).toEqual([]);
    const done = await run('revoke', 'agt_1', '--reason', 'leaked', '--yes');
    expect(done).toEqual({ code: 0, out: 'evt_1\n', err: 'revoked agt_1: stopped 2 grants, runs run_1; epoch 7\n' });
    expect(server.seen.at(-1)?.body).toEqual({ subject: 'agt_1', reason: 'leaked' });
  });

  test('can be tried first', async () => {
    server.json('POST /v1/revocations', { grants: 1, runs: [], eventId: '', epoch: '0' });
    const { code, err } = await run('revoke', 'agt_1', '--reason', 'leaked', '--dry-run');
    expect({ code, err }).toEqual({ code: 0, err: 'would stop 1 grant\n' });
    expect(server.seen[0]?.body).toMatchObject({ validateOnly: true });
    server.json('GET /v1/runs', { runs: [{ id: 'run_without_a_grant' }] });
    const { out } = await run('revoke', 'agt_1', '--reason', 'leaked', '--dry-run');
    expect(out).toBe('run_without_a_grant\n');
  });
});

test('an approval goes with the digest of what was shown', async () => {
  const approval = {
    id: 'apr_1',
    state: 'requested',
    kind: 'action',
    title: 'Write?',
    detail: { path: 'a' },
    argumentsDigest: 'sha256:1',
    approvers: [],
  };
  server
    .json('GET /v1/approvals/apr_1', { approval })
    .json('POST /v1/approvals/apr_1:decide', { approval: { ...approval, state: 'approved' } });
  const { code, err } = await run('approval', 'approve', 'apr_1', '--reason', 'fine');
  expect(code).toBe(0);
  expect(err).toContain('"path": "a"');
  expect(server.seen.at(-1)?.body).toEqual({ verdict: 'approve', reason: 'fine', argumentsDigest: 'sha256:1' });
});

describe('agent create', () => {
  const keyFile = () => path.join(place.folder, 'ci.key.json');

  test('keeps the private key in a file of this user alone, and registers the public half', async () => {
    verifies('cli.private_key');
    server.json('POST /v1/agents', { agent: { id: 'x' }, position: '' });
    const { code, out } = await run('agent', 'create', 'ci', '--can', 'tool.call=files/*');
    expect(code).toBe(0);
    const { client_id: id, jwk } = JSON.parse(await readFile(keyFile(), 'utf8')) as {
      client_id: string;
      jwk: { d: string };
    };
    expect(out).toBe(`${id}\n`);
    expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
    const { body } = server.seen[0] as { body: { jwk: string } };
    expect(body).toMatchObject({ id, name: 'ci', capabilities: [{ actions: ['tool.call'], resources: ['files/*'] }] });
    expect(JSON.stringify(body)).not.toContain(jwk.d);
    expect(JSON.parse(body.jwk)).toMatchObject({ kty: 'EC', crv: 'P-256' });
    expect((await run('agent', 'create', 'ci')).code).toBe(6);
  });

  test('leaves no key behind where it was refused', async () => {
    server.problem('POST /v1/agents', 403, 'identity.exceeds_parent');
    expect((await run('agent', 'create', 'ci')).code).toBe(5);
    await expect(stat(keyFile())).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test('policies of a folder are pushed by name, and an invalid one is found', async () => {
  const folder = path.join(place.folder, 'policies');
  await mkdir(folder);
  await writeFile(path.join(folder, 'b.cedar'), 'permit (principal, action, resource);');
  await writeFile(path.join(folder, 'a.cedar'), 'nonsense');
  await writeFile(path.join(folder, 'README.md'), 'not a policy');
  const findings = [{ severity: 'error', file: 'a.cedar', policy: '', message: 'unexpected token' }];
  server.json('PUT /v1/policies', { version: 'sha256:1', findings, policies: 1, position: '' });
  const { code, err } = await run('policy', 'check', 'policies');
  expect(code).toBe(10);
  expect(err).toContain('a.cedar: error unexpected token');
  expect(server.seen[0]?.body).toMatchObject({ validateOnly: true, files: [{ name: 'a.cedar' }, { name: 'b.cedar' }] });
});

describe('where and as whom', () => {
  const seenAs = (token: string) => expect(server.seen.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);

  test('flags win over the environment, that over the project, that over the file of the user', async () => {
    verifies('cli.settings');
    server.json('GET /v1/runs', { runs: [], nextPageToken: '' });
    const at = (variables: Record<string, string>, ...args: string[]) =>
      writ(['run', 'list', ...args], { cwd: place.folder, env: { WRIT_TOKEN: 't', ...variables } });
    const dead = `http://127.0.0.1:${await freePort()}`;
    await mkdir(path.join(place.folder, '.config/writ'), { recursive: true });
    const config = (text: string) => writeFile(path.join(place.folder, '.config/writ/config.toml'), text);
    await config(`[profile.default]\nurl = "${server.url}"\nproject = "tnt_user"\n[profile.dead]\nurl = "${dead}"\n`);
    expect((await at({})).code).toBe(0);
    expect(server.seen.at(-1)?.headers['writ-tenant']).toBe('tnt_user');
    await mkdir(path.join(place.folder, '.writ'));
    await writeFile(path.join(place.folder, '.writ/stack.json'), JSON.stringify({ url: dead, pid: 999_999_999 }));
    const gone = await at({});
    expect(gone.code).toBe(7);
    expect(gone.err).toContain('(process 999999999) is gone');
    expect((await at({ WRIT_URL: server.url })).code).toBe(0);
    const elsewhere = await at({ WRIT_URL: dead }, '--url', server.url);
    expect(elsewhere.code).toBe(4); // a token for one place is not shown to another
    expect(elsewhere.err).toContain(`the identity from environment is for ${dead}`);
    expect((await at({}, '--profile', 'default')).code).toBe(0);
    expect((await at({ WRIT_PROFILE: 'dead' })).code).toBe(7);
    const unknown = await at({}, '--profile', 'prod');
    expect({ code: unknown.code, err: unknown.err }).toMatchObject({
      code: 2,
      err: expect.stringContaining('default, dead'),
    });
  });

  test('the identity of one place is never used at another', async () => {
    verifies('cli.settings');
    server.json('GET /v1/runs', { runs: [], nextPageToken: '' });
    await mkdir(path.join(place.folder, '.writ'));
    const stack = { url: 'http://127.0.0.1:1', operatorKeyFile: '/tmp/operator.key.json', pid: 1 };
    await writeFile(path.join(place.folder, '.writ/stack.json'), JSON.stringify(stack));
    const { code, err } = await writ(['run', 'list'], { cwd: place.folder, env: { WRIT_URL: server.url } });
    expect(code).toBe(4);
    expect(err).toContain('auth.missing_token');
    expect((await run('run', 'list')).code).toBe(0);
    seenAs('a-token');
  });
});

test('doctor finds a service that is not ready, names the repair, and exits 10', async () => {
  verifies('cli.doctor', 'doctor.says');
  server
    .json('GET /.well-known/writ', { issuer: `${server.url}/oauth`, audience: 'urn:writ:api', grpc: '', mcp: '' })
    .json('GET /health/services', {
      services: [
        { service: 'policy', replica: 'r', ready: false, nats: { ok: false, error: 'no answer within 1000 ms' } },
        {
          service: 'memory',
          replica: 'r',
          ready: false,
          ownership: {
            ok: false,
            projections: [{ name: 'memories', partition: 2, lag: 7, parked: 'column "x" does not exist' }],
          },
        },
      ],
    })
    .json('GET /v1/approvals', {
      approvals: [{ id: 'apr_1', title: 'Refund?', agent: 'agt_1', createTime: '2020-01-01T00:00:00Z' }],
    })
    .json('GET /v1/tools', { tools: [{ name: 'files/read', state: 'changed' }] })
    .problem('GET /v1/whoami', 401, 'auth.token_expired', { hint: 'get another' });
  const { code, out } = await run('doctor', '--json');
  expect(code).toBe(10);
  const { ok, checks } = JSON.parse(out) as {
    ok: boolean;
    checks: { check: string; state: string; found: string; fix?: string }[];
  };
  expect(ok).toBe(false);
  const found = Object.fromEntries(checks.map((each) => [each.check, each]));
  expect(found['node']).toMatchObject({ state: 'ok' });
  expect(found['service policy']).toMatchObject({
    state: 'problem',
    found: 'nats: no answer within 1000 ms',
    fix: expect.any(String),
  });
  expect(found['token']).toMatchObject({
    state: 'problem',
    found: expect.stringContaining('auth.token_expired'),
    fix: 'get another',
  });
  expect(found['service memory']?.found).toContain(`the view 'memories' on partition 02 stands still: column "x"`);
  expect(found['approvals']).toMatchObject({ state: 'problem', fix: 'writ approval get apr_1' });
  expect(found['tools']?.found).toContain('files/read is another one than was approved');
  expect(checks.filter(({ state }) => state === 'problem').every(({ fix }) => fix)).toBe(true);
});

describe('run start --file', () => {
  test('starts a run for each line, and tells the line of each that was refused', async () => {
    verifies('cli.start_many');
    await writeFile(
      path.join(place.folder, 'items.ndjson'),
      '{"id":"a","input":{"n":1}}\n\n{"id":"b","workflow":"other"}\n{"id":"c"}\n',
    );
    const problem = { code: 'run.conflict', detail: 'run c is there' };
    const warnings = [{ code: 'no_worker', text: 'No worker has hello.' }];
    server.json('POST /v1/runs:start', {
      items: [{ run: { id: 'a', warnings } }, { run: { id: 'b', attached: true } }, { problem }],
    });
    const { code, out, err } = await run('run', 'start', 'hello', '--file', 'items.ndjson', '--queue', 'fast');
    expect({ code, out }).toEqual({ code: 8, out: 'a\nb\n' });
    expect(err).toBe(
      'warning: No worker has hello.\nitems.ndjson:4 run c is there (run.conflict)\n1 started, 1 were there already, 1 refused\n',
    );
    expect(server.seen.at(-1)?.body).toEqual({
      items: [
        { workflow: 'hello', queue: 'fast', id: 'a', jsonInput: { n: 1 } },
        { workflow: 'other', queue: 'fast', id: 'b' },
        { workflow: 'hello', queue: 'fast', id: 'c' },
      ],
    });
  });

  test('refuses a line that makes no sense before anything is started', async () => {
    await writeFile(path.join(place.folder, 'items.ndjson'), '{"id":"a"}\n{"in":1}\n');
    const { code, err } = await run('run', 'start', 'hello', '--file', 'items.ndjson');
    expect({ code, seen: server.seen }).toEqual({ code: 2, seen: [] });
    expect(err).toContain("items.ndjson:2 says 'in'");
  });
});

describe('queues', () => {
  test('are set with all their limits, and what would lift them without saying so is refused', async () => {
    server.json('PUT /v1/queues/deploys', { revision: 2, position: 'scheduler/03/7/0' });
    const given = ['--key', 'service', '--key-concurrency', '1', '--rate', '10/1m', '--share', 'a=b=3'];
    expect((await run('queue', 'set', 'deploys', ...given)).code).toBe(0);
    expect(server.seen[0]?.body).toEqual({
      limits: { concurrency: 0, keyConcurrency: 1, key: 'service', cost: '', shares: { 'a=b': 3 }, rate: { count: 10, period: '60s' } },
    }); // prettier-ignore
    for (const wrong of [[], ['--lift', '--concurrency', '1'], ['--rate', '10']])
      expect((await run('queue', 'set', 'deploys', ...wrong)).code).not.toBe(0);
    expect(server.seen).toHaveLength(1);
  });

  test('say why a run does not go on', async () => {
    const reason = {
      code: 'queue_key',
      text: 'Queue deploys …',
      since: '2020-01-01T00:00:00Z',
      runs: ['run_0'],
      runCount: 1,
      ahead: 0,
    };
    server.json('GET /v1/runs/run_1:why', { state: 'RUN_STATE_QUEUED', reasons: [reason] });
    const { out } = await run('run', 'why', 'run_1');
    expect(out).toContain('Queue deploys …');
    expect(out).toContain('since 2020-01-01T00:00:00Z');
  });
});
