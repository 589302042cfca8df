/** `infra/compose.cluster.yaml` as a team starts it, with a balancer in front; one of everything is killed while an agent works. */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, startProcess } from '@writ/testkit';
import type { Fault, Report } from './fault.js';
import { random, shuffled } from './random.js';
import { castOf } from './services/cast.js';
import { checkEffects, checkRecord, checkResults, checkViews } from './services/checks.js';
import { startJournal, type Journal } from './services/journal.js';
import { startWorkload } from './services/workload.js';
import { startBalancer } from './stack/balancer.js';
import { addressForContainers, Compose, composeEngine } from './stack/compose.js';
import { services } from './stack/stack.js';

const brokers = ['nats', 'nats-2', 'nats-3'];
const IN_FLIGHT = 4;

export const fault: Fault = {
  name: 'compose-cluster',
  about:
    'three brokers and two replicas of every service in containers; one of each is killed under a working agent (needs a Docker engine)',
  async run(report, { seed, seconds = 120 }) {
    const engine = await composeEngine(report, 'compose-cluster');
    if (engine === undefined) return;
    await using journal = await startJournal(await addressForContainers());
    await using balancer = await startBalancer();
    const env = { WRIT_TOOL_HTTP_HOSTS: journal.host };
    const stack = await Compose.prepare(engine, { cluster: true, door: balancer, env });
    try {
      await stack.up();
      balancer.watch(() => doorsOf(stack));
      await stack.complete();
      report.holds('three brokers and two replicas of every service come up in containers of their own and are ready');
      await well(stack, report);
      await copied(stack, report);
      await stack.demo();
      report.holds('the demo runs through a balancer in front of two gateways');
      await underKills(stack, { journal, seed, seconds, report });
      await well(stack, report);
      await copied(stack, report);
    } catch (error) {
      report.tells(await stack.words());
      throw error;
    } finally {
      await stack.remove(report);
    }
  },
};

async function doorsOf(stack: Compose) {
  const [http, grpc] = await Promise.all([stack.published('gateway', 8081), stack.published('gateway', 7071)]);
  return http.map((port, index) => ({ http: port, grpc: grpc[index] as number }));
}

async function well(stack: Compose, report: Report): Promise<void> {
  const { problems, looked } = await stack.doctor();
  if (problems.length > 0) throw new Error(problems.join('\n'));
  report.holds(`\`writ doctor\` looked at ${looked} things and finds nothing wrong`);
}

/** Every ledger is on every broker. */
async function copied(stack: Compose, report: Report): Promise<void> {
  const ledgers = await Promise.all(brokers.map((broker) => ledgersOn(stack, broker)));
  const [first = []] = ledgers;
  if (first.length === 0 || ledgers.some((each) => each.join() !== first.join()))
    throw new Error(`the brokers hold ${ledgers.map((each) => each.length).join(', ')} ledgers`);
  report.holds(`each of the three brokers holds all ${first.length} ledgers`);
}

interface Streams {
  account_details: { stream_detail?: { name: string; config: { num_replicas: number } }[] }[];
}

async function ledgersOn(stack: Compose, broker: string): Promise<string[]> {
  const url = 'http://127.0.0.1:8222/jsz?streams=true&config=true';
  const { account_details } = JSON.parse(
    await stack.run('exec', '-T', broker, 'wget', '-q', '-O', '-', url),
  ) as Streams;
  const streams = account_details.flatMap(({ stream_detail = [] }) => stream_detail);
  const ledgers = streams.filter(({ name }) => name.startsWith('LEDGER_'));
  const single = ledgers.filter(({ config }) => config.num_replicas !== brokers.length);
  if (single.length > 0) throw new Error(`${single.map(({ name }) => name).join()} have fewer copies`);
  return ledgers.map(({ name }) => name).sort();
}

interface Circumstances {
  readonly journal: Journal;
  readonly seed: number;
  readonly seconds: number;
  readonly report: Report;
}

/** One of each is killed while errands are run: brokers one after the other, and a replica of every service. */
async function underKills(stack: Compose, { journal, seed, seconds, report }: Circumstances): Promise<void> {
  const cast = await castOf(stack, journal);
  await using worker = startProcess('e2e/faults/services/worker.ts', {
    env: { WRIT_URL: stack.url, WRIT_KEY_FILE: cast.agentKeyFile },
  });
  await worker.line(/^serving$/);
  const workload = startWorkload(stack.url, cast, IN_FLIGHT);
  const next = random(seed);
  const victims = shuffled([...services, ...brokers], next);
  for (const victim of victims) {
    await delay((seconds * 1000) / victims.length);
    if (brokers.includes(victim)) await allBrokersHealthy(stack);
    const containers = await stack.containers(victim);
    const container = containers[Math.floor(next() * containers.length)];
    if (container === undefined) throw new Error(`${victim} is not up`);
    await stack.kill(container);
    report.tells(`one of ${containers.length} ${victim} is killed; ${workload.ended.length} errands have ended`);
  }
  await stack.complete();
  await allBrokersHealthy(stack);
  await workload.finish();
  const errands = workload.ended;
  const broken = [
    ...checkResults(errands),
    ...(await checkViews(errands, cast)),
    ...(await checkEffects(errands, cast, journal)),
    ...(await checkRecord(cast)),
  ];
  if (broken.length > 0) throw new Error(broken.slice(0, 20).join('\n'));
  await worker.stop();
  const unknown = errands.filter(({ result }) => result?.appended === 'unknown' || result?.filed === 'unknown').length;
  report.holds(
    `all ${errands.length} errands ended right over ${victims.length} kills (${unknown} told of an effect that nobody can know), no effect is doubled, and the record verifies`,
  );
}

/** Only one of three may be away. */
async function allBrokersHealthy(stack: Compose): Promise<void> {
  const healthy = async (): Promise<boolean> => {
    const states = await Promise.all(brokers.map((broker) => stack.containers(broker, '{{.Status}}')));
    return states.every(([status = '']) => status.includes('(healthy)'));
  };
  await eventually(healthy, { timeoutMs: 120_000, everyMs: 1_000, what: 'all brokers are healthy' });
}
