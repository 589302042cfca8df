import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@writ/testkit';
import { defineBench, quantile, type Measurement } from './bench.js';
import type { Kind } from './revocation-calls.js';
import { World, type Acting, type Agent, type Tenant } from './revocation-cast.js';
import { judge, Load, type Caller } from './revocation-load.js';

const CALLS_PER_SECOND = 200;
const ALLOWANCE_MS = 250;
/** Agents by their own right, agents in runs, and agents of a tenant that is revoked as a whole; so many of each have a sandbox. */
const crowd = { agents: 24, runs: 16, tenant: 10, sandboxes: 4 };
/** Between two revocations, so that all of them together take about half a minute. */
const PAUSE_MS = 500;

interface Prepared extends AsyncDisposable {
  readonly world: World;
}

export const bench = defineBench<Prepared>({
  name: 'revocation',
  about: 'agents, runs and a tenant lose their authority while 50 agents make 200 calls/s through the gateway',
  doesNotMeasure: [
    'the way of the revocation itself from its caller to identity: time counts from the acknowledgement',
    'a network between the services: all of them are processes of this machine, as are the callers',
    'when a read was accepted: it counts from its answer, which is later',
  ],
  targets: { revocationP99Ms: { atMost: ALLOWANCE_MS }, acceptedLate: { atMost: 0 }, callsPerSecond: { atLeast: 190 } },
  async prepare() {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-revocation-'));
    const world = await World.start(path.join(folder, 'data'), {
      say: (line) => process.stderr.write(`  ${line}\n`),
    });
    const stop = async () => {
      await world[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    };
    return { world, [Symbol.asyncDispose]: stop };
  },
  async run(_conditions, { world }): Promise<Measurement[]> {
    const [staying, leaving] = await Promise.all([world.tenant('staying'), world.tenant('leaving')]);
    const byAgent = await callersOf(world, staying, crowd.agents, crowd.sandboxes, false);
    const byRun = await callersOf(world, staying, crowd.runs, crowd.sandboxes, true);
    const ofTenant = await callersOf(world, leaving, crowd.tenant, 0, false);
    const load = new Load([...byAgent, ...byRun, ...ofTenant], CALLS_PER_SECOND);
    await eventually(() => load.calls.length > 2 * CALLS_PER_SECOND, {
      what: 'the load is under way',
      timeoutMs: 60_000,
    });
    for (const caller of byAgent) await apart(load.revoke(staying.person, caller.by.agent, caller));
    for (const caller of byRun) await apart(load.revoke(staying.person, caller.by.run ?? '', caller));
    await apart(load.revoke(world.operator, leaving.id, ofTenant[0] as Caller));
    const { perSecond } = load;
    await load.stop();
    const tenants = [staying.person, world.operator.in(leaving.id)];
    const { late, lastAcceptedMs, latencies, refusals } = await judge(load, tenants, ALLOWANCE_MS);
    process.stderr.write(`    refused after the acknowledgement: ${JSON.stringify(refusals)}\n`);
    for (const { what, afterMs } of late) process.stderr.write(`    late by ${Math.round(afterMs)} ms: ${what}\n`);
    return [
      { name: 'revocationP50Ms', value: quantile(latencies, 0.5), unit: 'ms' },
      { name: 'revocationP99Ms', value: quantile(latencies, 0.99), unit: 'ms' },
      { name: 'revocationMaxMs', value: latencies.at(-1) ?? NaN, unit: 'ms' },
      { name: 'acceptedLate', value: late.length, unit: 'calls' },
      { name: 'lastAcceptedMs', value: lastAcceptedMs, unit: 'ms after the acknowledgement' },
      { name: 'revocations', value: load.revocations.length, unit: 'revocations' },
      { name: 'observations', value: latencies.length, unit: 'first refusals' },
      { name: 'calls', value: load.calls.length, unit: 'calls' },
      { name: 'callsPerSecond', value: perSecond, unit: 'calls/s' },
    ];
  },
});

async function apart(work: Promise<unknown>): Promise<void> {
  await Promise.all([work, new Promise((resolve) => setTimeout(resolve, PAUSE_MS))]);
}

const mix: readonly Kind[] = ['tool', 'memory', 'read', 'tool', 'memory'];

/** Agents with a run each, which they read; some have a sandbox. @param inRun they act by the right of their run */
async function callersOf(
  world: World,
  tenant: Tenant,
  count: number,
  sandboxes: number,
  inRun: boolean,
): Promise<Caller[]> {
  const callers: Caller[] = [];
  for (let index = 0; index < count; index++) {
    const agent: Agent = await world.agent(tenant, `agent ${index}`);
    const running = await world.run(agent);
    const by: Acting = inRun ? running : agent;
    const sandbox = index < sandboxes ? await world.sandbox(by) : undefined;
    const kinds: readonly Kind[] = sandbox === undefined ? mix : [...mix, 'exec'];
    callers.push({
      by,
      kinds,
      target: { url: world.url, run: running.run, ...(sandbox !== undefined && { sandbox }) },
    });
  }
  return callers;
}
