/** `infra/compose.yaml` as a team starts it: containers, secrets as files, the demo's workload through the published door. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '@writ/servers';
import { eventually, projectRoot } from '@writ/testkit';
import { dashboardQueries } from '../stories/runbooks.js';
import type { Fault, Report } from './fault.js';

const files = ['infra/compose.yaml'];
/** Without these there is no Writ; without the others there is less to look at. */
const needed = ['writ/service:local', 'writ/sandbox-runner:local', 'writ/nats:local', 'postgres:18.4-bookworm'];
const optional = {
  prometheus: 'prom/prometheus:v3.7.3',
  grafana: 'grafana/grafana:12.3.0',
  'otel-collector': 'otel/opentelemetry-collector-contrib:0.140.1',
} as const;
const services = ['identity', 'policy', 'scheduler', 'memory', 'tools', 'audit', 'sandbox-runner', 'gateway'];

export const fault: Fault = {
  name: 'compose',
  about:
    'the stack in containers: it comes up, does the demo, is measured, and survives its broker (needs a Docker engine)',
  async run(report) {
    const program = await composeProgram();
    const images = await imagesHere();
    const missing = needed.filter((image) => !images.has(image));
    if (program === undefined || missing.length > 0) {
      const why = program === undefined ? 'there is no Docker engine or no compose' : `no image ${missing.join(', ')}`;
      return report.notRun('compose', `${why}; see infra/images/README.md`);
    }
    const extra = Object.keys(optional).filter((name) => images.has(optional[name as keyof typeof optional]));
    for (const [name, image] of Object.entries(optional))
      if (!extra.includes(name)) report.notRun(name, `there is no image ${image}`);
    const stack = await Compose.prepare(program);
    try {
      await stack.run('up', '-d', '--no-build', ...services, 'nats', 'postgres', ...extra);
      await stack.complete();
      report.holds('every service comes up in a container of its own and is ready');
      await confined(stack, report);
      await stack.demo();
      report.holds('the demo runs through the published door: sandboxes, an approval, a proof, a replay, a revocation');
      if (extra.includes('prometheus')) await measured(stack, report);
      await stack.run('kill', '-s', 'SIGKILL', 'nats');
      await stack.run('up', '-d', '--no-build', 'nats');
      await stack.complete();
      await stack.demo();
      report.holds('after its broker was killed everything is ready again, and the demo runs once more');
    } catch (error) {
      report.tells(await stack.words());
      throw error;
    } finally {
      await stack.run('down', '--volumes', '--timeout', '30').catch((error: unknown) => report.tells(String(error)));
      stack.remove();
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
    ['nats', '4222'],
    ['postgres', '5432'],
    ['identity', '8080'],
  ] as const) {
    const published = await stack.run('port', name, port).catch(() => '');
    if (/:[1-9]\d*/.test(published)) throw new Error(`${name} is published at ${published}`);
  }
  report.holds('only the door is published, and only the sandbox runner is root');
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

/** One stack with its own project name, ports and secrets. */
class Compose {
  private constructor(
    private readonly program: readonly string[],
    private readonly folder: string,
    private readonly env: Record<string, string | undefined>,
    readonly url: string,
  ) {}

  static async prepare(program: readonly string[]): Promise<Compose> {
    const folder = mkdtempSync(path.join(tmpdir(), 'writ-compose-'));
    const secrets = path.join(folder, 'secrets');
    await command(process.execPath, ['infra/setup/compose.mjs', '--folder', secrets], process.env);
    const [http, grpc] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${http}`;
    // The demo reviews this checkout, and its file server is in here too.
    const runner = {
      volumes: [`${projectRoot}:${projectRoot}:ro`],
      environment: { WRIT_SANDBOX_MOUNTS: path.join(projectRoot, 'node_modules'), WRIT_ARTIFACT_SOURCES: '/' },
    };
    writeFileSync(path.join(folder, 'demo.yaml'), JSON.stringify({ services: { 'sandbox-runner': runner } }));
    const env = {
      ...process.env,
      COMPOSE_PROJECT_NAME: `writ-${process.pid}`,
      WRIT_SECRETS: secrets,
      WRIT_PORT: String(http),
      WRIT_GRPC: String(grpc),
      WRIT_OPERATIONS: String(await freePort()),
      WRIT_PUBLIC_URL: url,
      WRIT_PUBLIC_GRPC: `127.0.0.1:${grpc}`,
      WRIT_GRAFANA_PORT: String(await freePort()),
    };
    return new Compose(program, folder, env, url);
  }

  run(...args: string[]): Promise<string> {
    const [binary, ...rest] = this.program as [string, ...string[]];
    const chosen = [...files, path.join(this.folder, 'demo.yaml')].flatMap((file) => ['-f', file]);
    return command(binary, [...rest, ...chosen, ...args], this.env);
  }

  /** Every service is there and ready. */
  async complete(): Promise<void> {
    const operations = `http://127.0.0.1:${this.env['WRIT_OPERATIONS']}`;
    await eventually(
      async () => {
        const { services: found } = (await (await fetch(`${operations}/health/services`)).json()) as {
          services: { service: string; ready: boolean }[];
        };
        const ready = new Set(found.filter((each) => each.ready).map(({ service }) => service));
        return services.every((name) => ready.has(name));
      },
      { timeoutMs: 240_000, everyMs: 1_000, what: 'every service is ready' },
    );
  }

  /** The demo, as a program of its own on the host. */
  async demo(): Promise<void> {
    const env = {
      ...this.env,
      NODE_OPTIONS: '',
      WRIT_URL: this.url,
      WRIT_KEY_FILE: path.join(this.folder, 'secrets/operator.key.json'),
    };
    await command(process.execPath, ['e2e/demo/main.mjs', '--json', '--data', path.join(this.folder, 'demo')], env);
  }

  /** The last that each container has said. */
  async words(): Promise<string> {
    return `${await this.run('ps').catch(String)}\n${await this.run('logs', '--tail', '8').catch(String)}`;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `docker compose`, or the older `docker-compose`, where an engine answers. */
async function composeProgram(): Promise<readonly string[] | undefined> {
  for (const program of [['docker', 'compose'], ['docker-compose']]) {
    const [binary, ...rest] = program as [string, ...string[]];
    const works = await command(binary, [...rest, 'version'], process.env).catch(() => undefined);
    if (works !== undefined) return (await imagesHere()).size > 0 ? program : undefined;
  }
  return undefined;
}

async function imagesHere(): Promise<Set<string>> {
  const listed = await command('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}'], process.env).catch(
    () => '',
  );
  return new Set(listed.split('\n').filter((line) => line !== ''));
}

function command(binary: string, args: readonly string[], env: Record<string, string | undefined>): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(binary, args, { cwd: projectRoot, env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      reject(
        new Error(
          `${path.basename(binary)} ${args.slice(-4).join(' ')}: ${(stderr || stdout || error.message).slice(-1500)}`,
        ),
      );
    });
  });
}
