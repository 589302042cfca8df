/** `infra/compose.yaml` as a team starts it: containers, secrets as files, the demo's workload through the published door. */
import { freePort } from '@writ/servers';
import { eventually } from '@writ/testkit';
import { dashboardQueries } from '../stories/runbooks.js';
import type { Fault, Report } from './fault.js';
import { Compose, composeEngine } from './stack/compose.js';
import { services } from './stack/stack.js';

export const fault: Fault = {
  name: 'compose',
  about:
    'the stack in containers: it comes up, does the demo, is measured, and survives its broker (needs a Docker engine)',
  async run(report) {
    const engine = await composeEngine(report, 'compose');
    if (engine === undefined) return;
    const door = { http: await freePort(), grpc: await freePort() };
    const env = {
      WRIT_PORT: String(door.http),
      WRIT_GRPC: String(door.grpc),
      WRIT_OPERATIONS: String(await freePort()),
      WRIT_GRAFANA_PORT: String(await freePort()),
    };
    const stack = await Compose.prepare(engine, { door, env });
    try {
      await stack.up();
      await stack.complete();
      report.holds('every service comes up in a container of its own and is ready');
      await confined(stack, report);
      await wellSays(stack, report);
      await stack.demo();
      report.holds('the demo runs through the published door: sandboxes, an approval, a proof, a replay, a revocation');
      if (engine.extra.includes('prometheus')) await measured(stack, report);
      await stack.run('kill', '-s', 'SIGKILL', 'nats');
      await stack.up();
      await stack.complete();
      await stack.demo();
      report.holds('after its broker was killed everything is ready again, and the demo runs once more');
    } catch (error) {
      report.tells(await stack.words());
      throw error;
    } finally {
      await stack.remove(report);
    }
  },
};

/** Nobody but the door is published, and only the sandbox runner is root. */
async function confined(stack: Compose, report: Report): Promise<void> {
  for (const name of services) {
    const id = (await stack.run('exec', '-T', name, 'id', '-u')).trim();
    if ((id === '0') !== (name === 'sandbox-runner')) throw new Error(`${name} runs as user ${id}`);
  }
  for (const [name, port] of [
    ['nats', 4222],
    ['postgres', 5432],
    ['identity', 8080],
  ] as const) {
    const published = await stack.published(name, port);
    if (published.length > 0) throw new Error(`${name} is published at ${published.join()}`);
  }
  report.holds('only the door is published, and only the sandbox runner is root');
}

async function wellSays(stack: Compose, report: Report): Promise<void> {
  const { problems, looked } = await stack.doctor();
  if (problems.length > 0) throw new Error(problems.join('\n'));
  report.holds(`\`writ doctor\` looked at ${looked} things and finds nothing wrong`);
}
/** Prometheus reaches every replica, and every query of the dashboard is one that it understands and has data for. */
async function measured(stack: Compose, report: Report): Promise<void> {
  const ask = (query: string) =>
    stack.run('exec', '-T', 'prometheus', 'promtool', 'query', 'instant', 'http://127.0.0.1:9090', query);
  const up = await eventually(
    async () => {
      const lines = (await ask('up{job="writ"}')).trim().split('\n');
      return lines.length === services.length && lines.every((line) => / => 1 @/.test(line)) && lines.length;
    },
    { timeoutMs: 90_000, everyMs: 3_000, what: 'every target is up' },
  );
  report.tells(`prometheus: ${up} targets up`);
  const empty: string[] = [];
  for (const query of dashboardQueries()) if ((await ask(query)).trim() === '') empty.push(query);
  report.holds(
    `prometheus understands every query of the dashboard; ${empty.length} of ${dashboardQueries().length} have nothing to show yet`,
  );
  for (const query of empty) report.tells(`  nothing yet: ${query}`);
  const firing = (await ask('ALERTS{alertstate="firing"}')).trim();
  report.tells(`alerts that fire: ${firing === '' ? 'none' : firing}`);
}
