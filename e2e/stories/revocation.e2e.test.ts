/** Authority that is taken away is gone: at every door, for what has begun, and when nobody can say whether it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { clientOf, GrpcChannel } from '@writ/api';
import { SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { connect, workflow } from '@writ/sdk';
import { eventually, verifies } from '@writ/testkit';
import { callOf, callTool, CUT, now, type Call, type Kind } from '../bench/revocation-calls.js';
import { processesOf, World, type Acting, type Agent, type Tenant } from '../bench/revocation-cast.js';
import { judge, Load, type Caller } from '../bench/revocation-load.js';

const allowanceMs = 250;
let folder: string;
let world: World;
let tenant: Tenant;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-revocation-'));
  world = await World.start(path.join(folder, 'data'));
  tenant = await world.tenant('staying');
}, 120_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const revoke = async (subject: string) => {
  await tenant.person.post('/v1/revocations', { subject, reason: 'a story' });
  return now();
};

async function caller(of: Tenant, inRun: boolean, kinds: readonly Kind[]): Promise<Caller> {
  const agent = await world.agent(of, 'caller');
  const running = await world.run(agent);
  const by: Acting = inRun ? running : agent;
  const sandbox = kinds.includes('exec') ? { sandbox: await world.sandbox(by) } : {};
  return { by, kinds, target: { url: world.url, run: running.run, ...sandbox } };
}

test('under load no call is accepted later than 250 ms after the revocation of an agent, a run or a tenant', async () => {
  verifies('revocation.under_load');
  const leaving = await world.tenant('leaving');
  const everything: readonly Kind[] = ['tool', 'memory', 'read', 'exec'];
  const callers = await Promise.all([
    caller(tenant, false, everything),
    caller(tenant, true, everything),
    ...Array.from({ length: 4 }, (_, index) => caller(tenant, index % 2 > 0, ['tool', 'memory', 'read'])),
    ...Array.from({ length: 3 }, () => caller(leaving, false, ['tool', 'memory', 'read'])),
  ]);
  const load = new Load(callers, 60);
  for (const each of callers.slice(0, 6)) await load.revoke(tenant.person, each.by.run ?? each.by.agent, each);
  await load.revoke(world.operator, leaving.id, callers[6] as Caller);
  await load.stop();
  const { late, latencies, refusals } = await judge(load, [tenant.person, world.operator.in(leaving.id)], allowanceMs);
  expect(late).toEqual([]);
  expect(latencies).toHaveLength(2 * 4 + 4 * 3 + 3);
  expect(Object.keys(refusals)).toEqual(['auth.revoked']);
}, 60_000);

describe('what has begun ends with the authority that it was begun under', () => {
  test('the run’s sandboxes are killed and its streams are cut', async () => {
    verifies('revocation.cuts');
    const agent = await world.agent(tenant, 'streams');
    const [running, other] = [await world.run(agent), await world.run(agent)];
    const [mine, theirs] = await Promise.all([world.sandbox(running), world.sandbox(other)]);
    const ends = {
      attached: attach(running, mine, '98761.25'),
      events: subscribe(running),
      tool: callTool(running, world.url, 'notes.wait', `${running.run}/wait#1/1`).then(({ code }) => code),
    };
    void attach(other, theirs, '98761.5');
    await eventually(() => processesOf('sleep 98761.25').length > 0 && processesOf('sleep 98761.5').length > 0);
    await eventually(async () => (await intents(running)).some(({ subject }) => subject.includes('wait#1')));
    const acknowledged = await revoke(running.run);
    expect(await Promise.all([ends.attached, ends.events])).toEqual(['auth.revoked', 'auth.revoked']);
    expect(['auth.revoked', CUT]).toContain(await ends.tool); // its stream is cut, or still says why
    expect(now() - acknowledged).toBeLessThan(5_000);
    await eventually(() => processesOf('sleep 98761.25').length === 0, { what: 'the sandbox is gone' });
    expect(processesOf('sleep 98761.5')).not.toEqual([]);
    expect(await callOf('read', other, { url: world.url, run: other.run })).toMatchObject({ accepted: true });
  });

  test('a worker aborts the steps of a run that is revoked, and all of them when its agent is', async () => {
    verifies('revocation.worker_stops', 'stream.revoked');
    const agent = await world.agent(tenant, 'worker');
    const token = async (run?: string) =>
      run === undefined ? agent.api : (await agent.oauth.forRun(run, agent.api, 'urn:writ:api')).value;
    const aborted = new Map<string, string>();
    const begun = new Set<string>();
    const long = workflow({
      name: 'long',
      run: (ctx) =>
        ctx.step('wait', ({ signal, write }) => {
          void write('begun');
          begun.add(ctx.runId);
          signal.addEventListener('abort', () => aborted.set(ctx.runId, (signal.reason as { code: string }).code));
          return new Promise(() => {});
        }),
    });
    await using writ = connect({ url: world.url, token });
    await using worker = await writ.serve({ workflows: [long] });
    const [first, second] = [await writ.start(long, undefined), await writ.start(long, undefined)];
    await eventually(() => begun.size === 2);
    const heard = [first, second].map((): string[] => []);
    const streams = [first, second].map(async (run, at) => {
      for await (const { type } of run.stream()) heard[at]?.push(type);
    });
    streams[1]?.catch(() => {});
    await eventually(() => heard.every((types) => types.includes('data')));
    await revoke(first.id);
    await eventually(() => aborted.get(first.id) === 'auth.revoked');
    await streams[0];
    expect(heard).toEqual([
      ['started', 'data', 'ended'],
      ['started', 'data'],
    ]);
    expect(aborted.has(second.id)).toBe(false);
    await revoke(agent.agent);
    await expect(streams[1]).rejects.toMatchObject({ code: 'auth.revoked' });
    await expect(worker.closed).rejects.toMatchObject({ code: 'auth.revoked' });
    await eventually(() => aborted.get(second.id) === 'auth.revoked');
  });
});

describe('while nobody can say what was revoked, nobody is let in', () => {
  test.each(['SIGSTOP', 'SIGKILL'] as const)(
    'identity gets %s: everything is refused after two seconds, and works again when it is back',
    async (signal) => {
      verifies('revocation.identity_silent');
      const { by, kinds, target } = await caller(tenant, false, ['tool', 'memory', 'read', 'exec']);
      const calls = () => Promise.all(kinds.map((kind) => callOf(kind, by, target)));
      expect((await calls()).every(({ accepted }) => accepted)).toBe(true);
      const pid = world.pidOf('identity');
      process.kill(pid, signal);
      const silentMs = now();
      const silent = signal === 'SIGSTOP' ? pid : await successorOf(pid);
      try {
        const refused = await eventually(
          async () => {
            const made = await calls();
            return made.every(({ code }) => code === 'auth.revocation_unknown') && made;
          },
          { what: 'everything is refused', timeoutMs: 15_000 },
        );
        // Not before: a call that needs no identity goes on as long as what is known is fresh.
        for (const { sentMs } of refused as Call[]) expect(sentMs - silentMs).toBeGreaterThan(1_000);
      } finally {
        process.kill(silent, 'SIGCONT');
      }
      await eventually(async () => (await calls()).every(({ accepted }) => accepted), {
        what: 'everything works again',
        timeoutMs: 30_000,
      });
      expect(world.pidOf('identity') === pid).toBe(signal === 'SIGSTOP');
    },
    60_000,
  );
});

/** Who is started in the place of identity, held up: it would be back before calls that wait for its word are refused. */
async function successorOf(killed: number): Promise<number> {
  const pid = await eventually(() => world.pidOf('identity') !== killed && world.pidOf('identity'));
  process.kill(pid, 'SIGSTOP');
  return pid;
}

/** Runs `sleep` in a sandbox for as long as the call lives. @returns the code that ended it */
async function attach({ api }: Acting, sandbox: string, seconds: string): Promise<string> {
  const channel = new GrpcChannel(world.stack.grpc, { metadata: () => ({ authorization: `Bearer ${api}` }) });
  const start = { id: sandbox, argv: ['/bin/sleep', seconds] };
  const forever = async function* () {
    yield { frame: { case: 'start' as const, value: start } };
    await new Promise(() => {});
  };
  try {
    for await (const { frame } of clientOf(SandboxService, channel).attach(forever()))
      if (frame.case === 'end') return frame.value.reason;
    return 'it ended';
  } catch (error) {
    return codeOf(error);
  } finally {
    channel.close();
  }
}

/** Watches the events of the tenant. @returns the code that ended it */
async function subscribe({ api }: Acting): Promise<string> {
  const response = await fetch(`${world.url}/v1/events`, {
    headers: { authorization: `Bearer ${api}`, accept: 'text/event-stream' },
  });
  const text = await response.text();
  return (JSON.parse(/^event: error\ndata: (.+)$/m.exec(text)?.[1] ?? '{}') as { code?: string }).code ?? text;
}

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);

async function intents({ agent }: Pick<Agent, 'agent'>): Promise<{ subject: string }[]> {
  const query = new URLSearchParams({ agent, type: 'action.intended.v1' });
  const { events } = await tenant.person.get<{ events: { event: { subject: string } }[] }>(`/v1/audit/events?${query}`);
  return events.map(({ event }) => event);
}
