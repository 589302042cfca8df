/** The examples of the SDK, as programs of their own, against the whole stack. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect, verify, type Writ } from '@writ/sdk';
import { eventually, projectRoot, startProcess, verifies, type ProjectProcess } from '@writ/testkit';
import { newKeyPair, Rest, type Key } from '../demo/rest.js';
import { demoStack, type DemoStack } from '../demo/stack.js';

const agentHolds = [
  'run.*',
  'batch.*',
  'worker.connect',
  'event.read',
  'tool.*',
  'memory.*',
  'sandbox.*',
  'artifact.read',
  'approval.read',
];

let folder: string;
let stack: DemoStack;
let person: Rest;
let ada: Writ;
let agentKeyFile: string;
let agentId: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-sdk-'));
  stack = await demoStack(path.join(folder, 'data'), () => {});
  const operator = new Rest(stack.url, stack.operator);
  const { id: tenant } = await operator.post<{ id: string }>('/v1/tenants', { name: 'sdk' });
  const [personKey, agentKey] = [newKeyPair(), newKeyPair()];
  const { id } = await operator.in(tenant).post<{ id: string }>('/v1/people', {
    name: 'Ada',
    jwk: JSON.stringify(personKey.publicJwk),
    capabilities: [{ actions: ['*'] }],
  });
  person = operator.as(keyOf(id, personKey));
  const { agent } = await person.post<{ agent: { id: string } }>('/v1/agents', {
    name: 'examples',
    jwk: JSON.stringify(agentKey.publicJwk),
    capabilities: [{ actions: agentHolds }],
  });
  agentId = agent.id;
  const text = `permit (principal is Writ::Agent, action, resource);
    permit (principal is Writ::Person, action == Writ::Action::"run.start", resource == Writ::Workflow::"holding");`;
  await person.put('/v1/policies', { files: [{ name: 'all.cedar', text }], mode: 'POLICY_MODE_ENFORCE' });
  agentKeyFile = path.join(folder, 'agent.key.json');
  writeFileSync(agentKeyFile, JSON.stringify(keyOf(agent.id, agentKey)), { mode: 0o600 });
  ada = connect({ url: stack.url, token: () => person.accessToken() });
}, 120_000);

afterAll(async () => {
  await ada?.[Symbol.asyncDispose]();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const keyOf = (clientId: string, { jwk }: { jwk: Key['jwk'] }): Key => ({ client_id: clientId, jwk });

/** Runs an example to its end. @param onLine sees each line of its output as it comes. @returns all of it */
async function example(name: string, onLine: (line: string) => void = () => {}): Promise<string> {
  const main = path.join(projectRoot, 'libs/sdk/examples', name, 'main.ts');
  const child = spawn(process.execPath, [main], {
    cwd: projectRoot,
    env: { ...process.env, NODE_OPTIONS: '', WRIT_URL: stack.url, WRIT_KEY_FILE: agentKeyFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [string[], string[]] = [[], []];
  createInterface({ input: child.stdout }).on('line', (line) => {
    out.push(line);
    onLine(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => err.push(line));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${name} ended with ${code}\n${err.join('\n')}\n${out.join('\n')}`);
  return out.join('\n');
}

test('01 greets', async () => {
  verifies('sdk.examples');
  expect(await example('01-hello')).toMatch(/^hello, world \(\d{4}-/);
});

test('02 tries again, sleeps and pays', async () => {
  const out = await example('02-retry-and-sleep');
  expect(out.match(/run\.step_failed\.v1/g)).toHaveLength(2);
  expect(out).toContain("reservation: 'blue-3'");
});

test('03 waits for a message and for a person', async () => {
  const decided: Promise<unknown>[] = [];
  const out = await example('03-message-and-approval', (line) => {
    const [, approval] = /writ approval approve (apr_\S+)/.exec(line) ?? [];
    if (approval) decided.push(ada.decide(approval, 'approve', { reason: 'the photo shows it' }));
  });
  expect(await Promise.all(decided)).toMatchObject([{ outcome: 'allow' }]);
  expect(out).toContain(`approvedBy: '${person.key.client_id}'`);
});

test('04 works in a sandbox, calls a tool and remembers', async () => {
  expect(await example('04-sandbox-and-tool')).toContain('news: true');
  expect(await example('04-sandbox-and-tool')).toContain('news: false');
});

test('05 starts children, and is refused one with more rights than its own', async () => {
  const out = await example('05-children');
  expect(out).toContain('the: 3, writ: 2, agent: 2');
  expect(out).toContain("tooMuch: 'identity.exceeds_parent'");
});

test('06 drops a draft under way for a message', async () => {
  expect(await example('06-steer')).toBe('a report on bees');
});

test('13 spends what it was given, through the gateway, and goes on when a person grants more', async () => {
  verifies('budget.end_to_end');
  const granted: Promise<unknown>[] = [];
  const out = await example('13-budget', (line) => {
    const [, run] = /writ run budget (run_\S+)/.exec(line) ?? [];
    if (run) granted.push(person.post(`/v1/runs/${run}/budget:add`, { add: { toolCalls: '1' } }));
  });
  expect(await Promise.all(granted)).toHaveLength(1);
  expect(out.split('\n').at(-1)).toBe('13 hits');
  const [, id] = /writ run budget (run_\S+)/.exec(out) ?? [];
  const { run } = await person.get<{ run: { budget: object } }>(`/v1/runs/${id}`);
  expect(run.budget).toMatchObject({
    account: id,
    limits: { toolCalls: '3', tokens: '5000' },
    used: { toolCalls: '3', tokens: '40', nanoUsd: '1000000', children: '1' },
  });
});

test('14 finds runs by their attributes, and pauses, messages and cancels them by a filter', async () => {
  verifies('batch.durable');
  const out = await example('14-batch');
  expect(out).toContain('{ before: 10, sent: 10 }');
  expect(out).toMatch(/state: 'done',\s+expected: 30,\s+done: 30,/);
  expect(out).toContain("Set(1) { 'we have moved' }");
});

test('15 answers from a worker of its own: what fits is done once, what does not is refused with the code of the run', async () => {
  const lines = (await example('15-answers')).split('\n');
  expect(lines).toEqual(["{ done: 'triage: done', left: 15 }", 'only 15 minutes are left', '15', '{ unused: 15 }']);
});

test('what no policy permits is not started, and not done to many', async () => {
  verifies('scheduler.start_permitted');
  const refused = { code: 'policy.denied' };
  await expect(person.post('/v1/runs', { workflow: 'hello', agent: agentId })).rejects.toMatchObject(refused);
  const batch = { action: 'cancel', filter: 'workflow = hello', reason: 'r' };
  await expect(person.post('/v1/batches', batch)).rejects.toMatchObject(refused);
});

test('what a run owned ends with it, also where its worker was killed and nobody cleans up', async () => {
  verifies('run.reaped');
  const env = { WRIT_URL: stack.url, WRIT_KEY_FILE: agentKeyFile };
  await using worker = startProcess('e2e/stories/holding-worker.ts', { env });
  await worker.line(/^serving$/);
  await using agent = connect({ url: stack.url, token: () => person.accessToken() });
  const { id } = await person.post<{ id: string }>('/v1/runs', { workflow: 'holding', agent: agentId });
  const [, sandbox = ''] = await worker.line(/^holds (sbx_\S+)/, 30_000);
  await worker.kill();
  const state = async () => {
    const { sandbox: found } = await person.get<{ sandbox: { state: string; run: string } }>(
      `/v1/sandboxes/${sandbox}`,
    );
    return found;
  };
  const held = await eventually(async () => {
    const found = await state();
    return found.state === 'running' && found;
  });
  expect(held.run).toBe(id);
  const { outcomeUnknown } = await agent.run(id).cancel({ reason: 'its worker is dead', force: true });
  expect(outcomeUnknown).toEqual([`what run ${id} was doing`]);
  await eventually(async () => (await state()).state === 'stopped');
  const { run } = await person.get<{ run: { receipt: { outcomeUnknown: string[] } } }>(`/v1/runs/${id}`);
  expect(run.receipt.outcomeUnknown).toEqual(outcomeUnknown);
}, 60_000);

test('a run whose code has changed under it is paused, with a difference that a person can read, and goes on with code that knows both ways, also from a step', async () => {
  verifies('scheduler.readable_difference');
  verifies('versions.check');
  verifies('versions.patched');
  verifies('versions.restart');
  const env = { WRIT_URL: stack.url, WRIT_KEY_FILE: agentKeyFile };
  const worker = async (code: string): Promise<ProjectProcess> => {
    const started = startProcess('e2e/stories/changing-worker.ts', { env: { ...env, CODE: code } });
    await started.line(/^serving$/);
    return started;
  };
  const writ = async (...args: string[]): Promise<string> => {
    const child = startProcess('libs/cli/bin/writ.js', { args, env });
    await child.exited;
    return child.lines.join('\n');
  };
  await using before = await worker('before');
  const id = (await writ('run', 'start', 'changing-review', '-o', 'name')).trim().split('\n')[0] as string;
  const shown = (text: string) =>
    eventually(async () => {
      const out = await writ('run', 'get', id);
      expect(out).toContain(text);
      return out;
    });
  await shown('message go');
  await before.kill();

  await using after = await worker('after');
  await writ('run', 'send', id, 'go', '--data', '"now"');
  const paused = await shown('person: diverged');
  expect(paused.split('\n').map((line) => line.replace(/^(difference| *)/, '').trimEnd())).toEqual(
    expect.arrayContaining([
      "step 'load' #1",
      "- step 'count lines' #1",
      "+ step 'count all lines' #1",
      "sleep 'sleep' #1 (recorded, not reached)",
    ]),
  );
  expect(paused).toContain(`writ run resume ${id}`);
  expect(after.lines.filter((line) => line.startsWith('counted'))).toEqual([]);
  await after.kill();

  const check = async (code: string) => {
    const args = ['run', 'check', 'e2e/stories/changing-worker.ts', '--run', id];
    const child = startProcess('libs/cli/bin/writ.js', { args, env: { ...env, CODE: code } });
    return { code: await child.exited, said: child.lines.join('\n') };
  };
  expect(await check('after')).toMatchObject({
    code: 10,
    said: expect.stringContaining("+ step 'count all lines' #1"),
  });
  expect(await check('patched')).toMatchObject({
    code: 0,
    said: expect.stringContaining('1 of 1 runs take the same way'),
  });

  await using patched = await worker('patched');
  await writ('run', 'resume', id);
  await shown('succeeded');
  expect(await writ('run', 'get', id, '--result')).toContain('42 now');
  const counted = () => patched.lines.filter((line) => line.startsWith('counted'));
  expect(counted()).toEqual([]);
  const again = await writ('run', 'restart', id, '--from', 'count lines');
  expect(again).toContain('may happen once more: step count lines/1');
  await eventually(() => counted().length > 0);
  await shown('succeeded');
  expect(counted()).toEqual(['counted after']);
}, 120_000);

test('what a run did is proven offline', async () => {
  const run = 'hello-world';
  const { bundle, events } = await person.get<{ bundle: string; events: number }>(`/v1/audit/bundle?run=${run}`);
  const { verifierKey } = await person.get<{ verifierKey: string }>('/v1/audit/checkpoint');
  const verified = await verify(bundle, { log: verifierKey });
  expect(verified).toMatchObject({ ok: true });
  if (verified.ok) expect(verified.events.filter(({ subject }) => subject === run).length).toBeGreaterThan(1);
  expect(events).toBeGreaterThan(1);
  expect(await verify(bundle.replace(run, `${run}x`), { log: verifierKey })).toMatchObject({
    ok: false,
    error: { code: 'proof.not_included' },
  });
});
