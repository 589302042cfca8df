/** The stack in containers as a team starts it, on an engine of this machine, with a project name, ports and secrets of its own. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, projectRoot } from '@writ/testkit';
import type { Key } from '../../demo/rest.js';
import type { Report } from '../fault.js';
import { services, type Service } from './stack.js';

/** Without these there is no Writ; without the others there is less to look at. */
const needed = ['writ/service:local', 'writ/sandbox-runner:local', 'writ/nats:local', 'postgres:18.4-bookworm'];
const optional = {
  prometheus: 'prom/prometheus:v3.7.3',
  grafana: 'grafana/grafana:12.3.0',
  'otel-collector': 'otel/opentelemetry-collector-contrib:0.140.1',
} as const;

const READY_MS = 240_000;

export interface ComposeSettings {
  /** Three brokers, and two replicas of every service that may have them. */
  readonly cluster?: boolean;
  /** Where clients find the door. */
  readonly door: { readonly http: number; readonly grpc: number };
  /** Of compose: addresses, ports, and what else the files take from there. */
  readonly env: Readonly<Record<string, string>>;
}

interface Engine {
  /** `docker compose`, or the older `docker-compose`. */
  readonly program: readonly [string, ...string[]];
  /** The containers beside Writ's own for which there are images. */
  readonly extra: readonly string[];
}

/** Undefined where there is no engine, or not all that is needed; the report says so. */
export async function composeEngine(report: Report, what: string): Promise<Engine | undefined> {
  const images = await imagesHere();
  const program = images && (await composeProgram());
  if (program === undefined) return void report.notRun(what, 'there is no Docker engine or no compose');
  const missing = needed.filter((image) => !images?.has(image));
  if (missing.length > 0) return void report.notRun(what, `no image ${missing.join(', ')}; see infra/images/README.md`);
  for (const [name, image] of Object.entries(optional))
    if (!images?.has(image)) report.notRun(name, `there is no image ${image}`);
  return { program, extra: Object.entries(optional).flatMap(([name, image]) => (images?.has(image) ? [name] : [])) };
}

export class Compose {
  readonly url: string;
  private readonly project = `writ-${process.pid}`;
  private readonly files: readonly string[];
  private readonly env: Record<string, string | undefined>;

  private constructor(
    private readonly engine: Engine,
    readonly folder: string,
    private readonly settings: ComposeSettings,
  ) {
    const { http, grpc } = settings.door;
    this.url = `http://127.0.0.1:${http}`;
    const writ = ['infra/compose.yaml', ...(settings.cluster ? ['infra/compose.cluster.yaml'] : [])];
    this.files = [...writ, path.join(folder, 'demo.yaml')].flatMap((file) => ['-f', file]);
    const door = { WRIT_PUBLIC_URL: this.url, WRIT_PUBLIC_GRPC: `127.0.0.1:${grpc}` };
    this.env = { ...process.env, COMPOSE_PROJECT_NAME: this.project, ...door, ...settings.env };
  }

  /** Secrets, as set-up makes them, and what the demo's runner needs beside. */
  static async prepare(engine: Engine, settings: ComposeSettings): Promise<Compose> {
    const folder = mkdtempSync(path.join(tmpdir(), 'writ-compose-'));
    const setup = ['infra/setup/compose.mjs', '--folder', path.join(folder, 'secrets')];
    await command(process.execPath, [...setup, ...(settings.cluster ? ['--cluster'] : [])]);
    // The demo reviews this checkout, and its file server is in here too.
    const runner = {
      volumes: [`${projectRoot}:${projectRoot}:ro`],
      environment: { WRIT_SANDBOX_MOUNTS: path.join(projectRoot, 'node_modules'), WRIT_ARTIFACT_SOURCES: '/' },
    };
    writeFileSync(path.join(folder, 'demo.yaml'), JSON.stringify({ services: { 'sandbox-runner': runner } }));
    return new Compose(engine, folder, settings);
  }

  get operator(): Key {
    return JSON.parse(readFileSync(this.operatorKeyFile, 'utf8')) as Key;
  }

  get operatorKeyFile(): string {
    return path.join(this.folder, 'secrets/operator.key.json');
  }

  run(...args: string[]): Promise<string> {
    const [binary, ...rest] = this.engine.program;
    const settings = ['--env-file', path.join(this.folder, 'secrets/.env')];
    return command(binary, [...rest, ...settings, ...this.files, ...args], this.env);
  }

  /** Starts everything for which there is an image, and returns before it is ready. */
  async up(): Promise<void> {
    const brokers = this.settings.cluster ? ['nats', 'nats-2', 'nats-3'] : ['nats'];
    await this.run('up', '-d', '--no-build', ...services, ...brokers, 'postgres', ...this.engine.extra);
  }

  /** Resolves when every replica of every service is there and ready. */
  async complete(): Promise<void> {
    await eventually(() => this.isComplete(), { timeoutMs: READY_MS, everyMs: 1_000, what: 'every replica is ready' });
  }

  private async isComplete(): Promise<boolean> {
    const response = await fetch(`${await this.operations()}/health/services`);
    const { services: found } = (await response.json()) as { services: { service: string; ready: boolean }[] };
    const wrong = services.filter((name) => {
      const replicas = found.filter(({ service }) => service === name);
      return replicas.length !== this.replicasOf(name) || replicas.some(({ ready }) => !ready);
    });
    if (wrong.length > 0) throw new Error(`not complete: ${wrong.join(', ')}`);
    return true;
  }

  private replicasOf(service: Service): number {
    return this.settings.cluster && service !== 'audit' && service !== 'sandbox-runner' ? 2 : 1;
  }

  /** Where a gateway tells operators how all is. */
  async operations(): Promise<string> {
    const [port] = await this.published('gateway', 8080);
    if (port === undefined) throw new Error('no gateway is up');
    return `http://127.0.0.1:${port}`;
  }

  /** The ports of this machine that lead to a port of a service's containers. */
  async published(service: string, port: number): Promise<number[]> {
    const ports = await this.containers(service, '{{.Ports}}');
    return ports.flatMap((text) => Number(new RegExp(`:(\\d+)->${port}/`).exec(text)?.[1] ?? []));
  }

  /** Ids of the containers that are up. */
  async containers(service: string, format = '{{.ID}}'): Promise<string[]> {
    const label = 'label=com.docker.compose';
    const filters = [`${label}.project=${this.project}`, `${label}.service=${service}`];
    const listed = await command('docker', [
      'ps',
      ...filters.flatMap((each) => ['--filter', each]),
      '--format',
      format,
    ]);
    return listed.split('\n').filter((line) => line !== '');
  }

  /** Ends everything in a container at once. The engine has not been asked for it, and so starts it again. */
  async kill(container: string): Promise<void> {
    process.kill(Number(await command('docker', ['inspect', '--format', '{{.State.Pid}}', container])), 'SIGKILL');
  }

  /** The demo, as a program of its own on this machine. */
  async demo(): Promise<void> {
    const env = { ...this.env, NODE_OPTIONS: '', WRIT_URL: this.url, WRIT_KEY_FILE: this.operatorKeyFile };
    await command(process.execPath, ['e2e/demo/main.mjs', '--json', '--data', path.join(this.folder, 'demo')], env);
  }

  /** What `writ doctor` has against it, and how many things it looked at. */
  async doctor(): Promise<{ problems: string[]; looked: number }> {
    const program = [path.join(projectRoot, 'libs/cli/bin/writ.js'), 'doctor', '--json'];
    const env = { ...process.env, WRIT_URL: await this.operations(), WRIT_KEY_FILE: this.operatorKeyFile };
    const said = await command(process.execPath, program, env, { cwd: this.folder, codes: [0, 10] });
    const { checks } = JSON.parse(said) as { checks: { check: string; state: string; found: string }[] };
    const problems = checks.filter(({ state }) => state === 'problem');
    return { problems: problems.map(({ check, found }) => `${check}: ${found}`), looked: checks.length };
  }

  /** The last that each container has said. */
  async words(): Promise<string> {
    return `${await this.run('ps').catch(String)}\n${await this.run('logs', '--tail', '8').catch(String)}`;
  }

  /** Leaves nothing: containers, networks, volumes, secrets. */
  async remove(report: Report): Promise<void> {
    await this.run('down', '--volumes', '--timeout', '30').catch((error: unknown) => report.tells(String(error)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Where containers find this machine: Docker's own bridge, which Node does not list while nobody is on it. */
export async function addressForContainers(): Promise<string> {
  const shown = await command('ip', ['-json', '-4', 'addr', 'show', 'docker0']);
  const [bridge] = JSON.parse(shown) as { addr_info: { local: string }[] }[];
  const address = bridge?.addr_info[0]?.local;
  if (address === undefined) throw new Error(`docker0 has no address: ${shown}`);
  return address;
}

async function composeProgram(): Promise<[string, ...string[]] | undefined> {
  for (const program of [['docker', 'compose'], ['docker-compose']] as [string, ...string[]][]) {
    const [binary, ...rest] = program;
    const version = await command(binary, [...rest, 'version']).catch(() => undefined);
    if (version !== undefined) return program;
  }
  return undefined;
}

/** Undefined where no engine answers. */
async function imagesHere(): Promise<Set<string> | undefined> {
  const listed = await command('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}']).catch(() => undefined);
  return listed === undefined ? undefined : new Set(listed.split('\n'));
}

/** @returns stdout @throws Error with the last that it said, where it ends with another code */
function command(
  binary: string,
  args: readonly string[],
  env: Record<string, string | undefined> = process.env,
  { cwd = projectRoot, codes = [] }: { cwd?: string; codes?: readonly unknown[] } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(binary, args, { cwd, env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null || codes.includes(error.code)) return resolve(stdout);
      const words = (stderr || stdout || error.message).slice(-1500);
      reject(new Error(`${path.basename(binary)} ${args.slice(-4).join(' ')}: ${words}`));
    });
  });
}
