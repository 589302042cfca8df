import { actionAggregate, Enforcement, type ActionRequest } from '@writ/enforcement';
import { Ledger } from '@writ/ledger';
import { aggregates, newId } from '@writ/ledger/domain';
import { start as startPolicy } from '@writ/service-policy';
import { eventually } from '@writ/testkit';
import { startBenchBackends } from './backends.js';
import { defineBench, quantile, type Measurement } from './bench.js';

const POLICIES = 100;
const ACTIONS = 1_000;
const IN_FLIGHT = 64;

type Request = Omit<ActionRequest<null>, 'summary'>;

interface Prepared extends AsyncDisposable {
  enforcement: Enforcement;
  request(permitted: boolean): Request;
}

export const bench = defineBench<Prepared>({
  name: 'enforcement',
  about: 'what the pipeline adds to an action: capability, revocation, policy, durable intent, durable outcome',
  doesNotMeasure: [
    'the verification of a token that was not seen before (about 0.1 ms)',
    'the action itself: it does nothing',
    'the network between a caller and the service',
  ],
  targets: { permittedP50Ms: { atMost: 3 } },
  prepare,
  async run(_conditions, { enforcement, request }): Promise<Measurement[]> {
    const permitted = async (): Promise<void> =>
      expectOutcome('done', await enforcement.perform(request(true), nothing));
    const denied = async (): Promise<void> =>
      expectOutcome('denied', await enforcement.perform(request(false), nothing));
    await times(200, permitted);
    const alone = await times(ACTIONS, permitted);
    const refused = await times(ACTIONS, denied);
    const begin = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => times(ACTIONS / 10, permitted)));
    const perSecond = (IN_FLIGHT * (ACTIONS / 10) * 1_000) / (performance.now() - begin);
    const asked = request(true);
    const question = { principal: { type: 'Agent', id: 'agt_1', tenant: 'tnt_1', depth: 0 } as const, ...asked };
    const decisions = await times(ACTIONS, () => Promise.resolve(enforcement.policies.decide('tnt_1', question)));
    return [
      { name: 'permittedP50Ms', value: quantile(alone, 0.5), unit: 'ms' },
      { name: 'permittedP99Ms', value: quantile(alone, 0.99), unit: 'ms' },
      { name: 'deniedP50Ms', value: quantile(refused, 0.5), unit: 'ms' },
      { name: 'deniedP99Ms', value: quantile(refused, 0.99), unit: 'ms' },
      { name: 'decisionP50Ms', value: quantile(decisions, 0.5), unit: 'ms' },
      { name: 'decisionP99Ms', value: quantile(decisions, 0.99), unit: 'ms' },
      { name: 'permittedPerSecond64', value: perSecond, unit: 'actions/s' },
    ];
  },
});

function nothing(): Promise<null> {
  return Promise.resolve(null);
}

function expectOutcome(expected: string, { outcome }: { outcome: string }): void {
  if (outcome !== expected) throw new Error(`the action was ${outcome}, not ${expected}`);
}

/** Sorted milliseconds of so many calls, one after another. */
async function times(count: number, call: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let index = 0; index < count; index++) {
    const begin = performance.now();
    await call();
    all.push(performance.now() - begin);
  }
  return all.sort((a, b) => a - b);
}

/** A tenant with 100 policies about 20 tools: on the tool in question five by name, two by server, three for everything. */
function policies(): string {
  const all: string[] = [];
  const call = 'action == Writ::Action::"tool.call"';
  for (let index = 0; index < POLICIES - 5; index++) {
    const tool = `server${index % 4}/tool${index % 19}`;
    const [effect, limit] = index % 3 === 2 ? ['forbid', '> 1000000'] : ['permit', `< ${index + 10}`];
    all.push(
      `@id("tool-${index}") ${effect}(principal is Writ::Agent, ${call}, resource == Writ::Tool::"${tool}") when { context.arguments.path like "out/*" && context.arguments.size ${limit} };`,
    );
  }
  for (const server of ['server0', 'server1']) {
    all.push(
      `@id("${server}") forbid(principal, ${call}, resource in Writ::Server::"${server}") when { principal.depth > 5 };`,
    );
  }
  for (const name of ['env', 'key', 'git']) {
    all.push(
      `@id("no-${name}") forbid(principal, ${call}, resource) when { context.arguments.path like "*.${name}" };`,
    );
  }
  return all.join('\n');
}

async function prepare({ durability }: { durability: 'fsync' | 'flush' }): Promise<Prepared> {
  const backends = await startBenchBackends(durability);
  const { ledger, identity } = backends;
  const policy = await startPolicy(backends.env);
  const host = await ledger.host({ service: 'tools', model: aggregates([actionAggregate]) });
  await host.ready;
  const enforcement = await Enforcement.start({
    ledger,
    issuer: identity.issuer,
    audience: ['urn:writ:api'],
    service: 'tools',
  });
  await eventually(() => enforcement.health.ready(), { what: 'the enforcement point knows identity and policy' });
  await describeTenant(ledger, enforcement, await identity.token({ sub: 'psn_1', kind: 'person' }), policy.httpUrl);
  const caller = await identity.caller(enforcement.authenticator);
  const request = (permitted: boolean): Request => ({
    caller,
    action: 'tool.call',
    resource: { type: 'Tool', id: 'server1/tool1' },
    arguments: { path: permitted ? 'out/report.md' : '/etc/passwd', size: 5, content: 'x'.repeat(2_000) },
    effectId: newId('act'),
  });
  const stop = async (): Promise<void> => {
    await enforcement.stop();
    await host.stop();
    await policy.stop();
    await backends[Symbol.asyncDispose]();
  };
  return { enforcement, request, [Symbol.asyncDispose]: stop };
}

async function describeTenant(ledger: Ledger, enforcement: Enforcement, token: string, url: string): Promise<void> {
  const properties = { path: { type: 'string' }, size: { type: 'integer' }, content: { type: 'string' } };
  const inputSchema = { type: 'object', properties, required: ['path', 'size'] };
  const names = [0, 1, 2, 3].flatMap((server) =>
    Array.from({ length: 19 }, (_, tool) => `server${server}/tool${tool}`),
  );
  await ledger.commands('policy').send({
    tenant: 'tnt_1',
    aggregate: 'tool_schema',
    subject: 'tnt_1',
    command: { type: 'register', tools: names.map((tool) => ({ tool, inputSchema })) } as { type: string },
    actor: { principal: 'tools', kind: 'service' },
  });
  const answer = await fetch(`${url}/v1/policies`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ files: [{ name: 'bench.cedar', text: policies() }] }),
  });
  const pushed = (await answer.json()) as { version?: string };
  if (!answer.ok) throw new Error(`the policies were refused: ${JSON.stringify(pushed)}`);
  await eventually(() => enforcement.policies.version('tnt_1') === pushed.version, {
    what: 'the policies have arrived',
  });
}
