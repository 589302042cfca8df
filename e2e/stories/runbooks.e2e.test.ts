/** Every diagnosis of every runbook, run as somebody would at night, against the running stack. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { partitionsOf } from '@writ/ledger/domain';
import { connect, workflow, type Worker, type Writ } from '@writ/sdk';
import { eventually, projectRoot, verifies } from '@writ/testkit';
import * as z from 'zod';
import { newKeyPair, Rest, type Key } from '../demo/rest.js';
import { startStack, type OwnStack } from '../demo/stack.js';
import { alerts, dashboardQueries, documentedMetrics, expectedPartitions, metricsIn, pages } from './runbooks.js';

const everyPage = [...pages('alerts'), ...pages('agents')];
const blocks = everyPage.flatMap(({ path: file, diagnosis }) =>
  diagnosis.map((block, index) => [`${file.split('/').slice(2).join('/')} ${index + 1}`, block] as const),
);

describe('the runbooks', () => {
  test('there is one for each alert, and an alert for each', () => {
    verifies('runbooks.one_each');
    const rules = alerts();
    expect(rules.length).toBeGreaterThan(15);
    const found = pages('alerts').map(({ title, path: file }) => [title, file]);
    expect(found.sort()).toEqual(rules.map(({ name, runbook }) => [name, runbook]).sort());
  });

  test('all have the same parts, and each says how to look', () => {
    for (const { path: file, sections, diagnosis, queries } of everyPage) {
      const parts = file.includes('/alerts/')
        ? ['Meaning', 'Impact', 'Diagnosis', 'Mitigation']
        : ['Diagnosis', 'Mitigation'];
      expect([file, sections.slice(0, parts.length)]).toEqual([file, parts]);
      expect([file, diagnosis.length + queries.length]).not.toEqual([file, 0]);
      for (const { commands, expected } of diagnosis) expect([commands, expected.length]).not.toEqual([commands, 0]);
    }
  });

  test('what they, the alerts and the dashboard ask for is measured', () => {
    verifies('runbooks.measured');
    const known = documentedMetrics();
    const queries = [
      ...alerts().map(({ query }) => query),
      ...everyPage.flatMap((page) => page.queries),
      ...dashboardQueries(),
    ];
    expect(queries.length).toBeGreaterThan(60);
    const asked = new Set(queries.flatMap(metricsIn).filter((name) => name.startsWith('writ_')));
    expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  });

  test('the alert on partitions without an owner knows how many there are', () => {
    expect(expectedPartitions()).toEqual(partitionsOf);
  });

  test('a diagnosis only looks', () => {
    const looks =
      /^(?:writ (?:status|doctor|(?:run|agent|sandbox) (?:get|list)|approval (?:list|get)|audit (?:search|show|export|verify)|revoke .*--dry-run)|curl -fsS|grep|sort|uniq|head|tail|cut|ls|true)\b/;
    for (const [name, { commands }] of blocks) {
      const unquoted = commands
        .replace(/'[^']*'/g, "''")
        .replaceAll('"$(', '\n')
        .replace(/"[^"\n]*"/g, '""');
      const each = unquoted.split(/\|+|&&|\n/).map((command) => command.trim());
      for (const command of each.filter((text) => /^\w/.test(text)))
        expect([name, command]).toEqual([name, expect.stringMatching(looks)]);
      expect([name, commands]).not.toEqual([name, expect.stringMatching(/curl [^|]*-(?:X|d|-data|-request|T|F)\b/)]);
    }
  });
});

describe('against the running stack', () => {
  let folder: string;
  let stack: OwnStack;
  let ada: Writ;
  let agentSdk: Writ;
  let worker: Worker;
  let env: Record<string, string | undefined>;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'writ-runbooks-'));
    stack = await startStack(path.join(folder, 'data'));
    const operator = new Rest(stack.url, stack.operator);
    const { id: tenant } = await operator.post<{ id: string }>('/v1/tenants', { name: 'night' });
    const [personKey, agentKey] = [newKeyPair(), newKeyPair()];
    const { id } = await operator.in(tenant).post<{ id: string }>('/v1/people', {
      name: 'Ada',
      jwk: JSON.stringify(personKey.publicJwk),
      capabilities: [{ actions: ['*'] }],
    });
    const person = operator.as(keyOf(id, personKey));
    const { agent } = await person.post<{ agent: { id: string } }>('/v1/agents', {
      name: 'owl',
      jwk: JSON.stringify(agentKey.publicJwk),
      capabilities: [{ actions: ['run.*', 'worker.connect', 'memory.*', 'event.read'] }],
    });
    const text =
      'permit (principal is Writ::Agent, action, resource);\nforbid (principal, action == Writ::Action::"memory.write", resource);';
    await person.put('/v1/policies', { files: [{ name: 'night.cedar', text }], mode: 'POLICY_MODE_ENFORCE' });
    ada = connect({ url: stack.url, token: () => person.accessToken() });
    const owl = operator.as(keyOf(agent.id, agentKey));
    agentSdk = connect({ url: stack.url, token: () => owl.accessToken() });
    await owl.post('/v1/memory', { scope: 'agent', text: 'what it may not keep' }).catch(() => undefined); // denied
    worker = await agentSdk.serve({ workflows: [asks] });
    const run = await agentSdk.start(asks, {});
    const approval = await eventually(async () => {
      const { approvals } = await person.get<{ approvals: { id: string }[] }>('/v1/approvals');
      return approvals[0]?.id;
    });
    env = {
      ...process.env,
      WRIT_URL: stack.url,
      WRIT_KEY_FILE: path.join(stack.dataDir, 'operator.key.json'),
      WRIT_PROJECT: tenant,
      AGENT: agent.id,
      RUN: run.id,
      APPROVAL: approval,
      SCRATCH: folder,
      NODE_OPTIONS: '',
      NO_COLOR: '1',
      PATH: `${binOf(folder)}:${process.env['PATH']}`,
    };
  }, 120_000);

  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
    await agentSdk?.[Symbol.asyncDispose]();
    await ada?.[Symbol.asyncDispose]();
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('every diagnosis runs and prints what its page says', async () => {
    verifies('runbooks.run');
    // Two at a time: each command is a process of its own.
    const wrong: unknown[] = [];
    const queue = [...Map.groupBy(blocks, ([, { commands }]) => commands)];
    const take = async (): Promise<void> => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [commands, told] = next;
        const expected = told.flatMap(([, block]) => block.expected);
        let last = { code: -1, out: '' };
        // What has just happened may be on its way to the view that is asked.
        const right = async () => {
          last = await bash(commands, env);
          return last.code === 0 && expected.every((pattern) => pattern.test(last.out));
        };
        await eventually(right, { timeoutMs: 15_000 }).catch(() =>
          wrong.push([told.map(([name]) => name), commands, last, expected.map(String)]),
        );
      }
    };
    await Promise.all([take(), take()]);
    expect(wrong).toEqual([]);
  }, 180_000);
});

const asks = workflow({
  name: 'asks',
  input: z.object({}),
  async run(ctx) {
    await ctx.ask({ title: 'May the owl fly?', timeout: '1h' });
  },
});

function keyOf(clientId: string, { jwk }: { jwk: Key['jwk'] }): Key {
  return { client_id: clientId, jwk };
}

/** A folder with the `writ` that the pages call. */
function binOf(folder: string): string {
  const bin = path.join(folder, 'bin');
  mkdirSync(bin);
  const main = path.join(projectRoot, 'libs/cli/dist/main.js');
  writeFileSync(path.join(bin, 'writ'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  chmodSync(path.join(bin, 'writ'), 0o755);
  return bin;
}

function bash(commands: string, env: Record<string, string | undefined>): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile('bash', ['-euo', 'pipefail', '-c', commands], { env, timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({
        code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
        out: error === null ? stdout : `${stdout}${stderr}`,
      }),
    );
  });
}
