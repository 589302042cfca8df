/** Restate with the settings it is shipped with, but for addresses and its reports to its makers. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, guard } from '@writ/servers';
import { eventually } from '@writ/testkit';
import { startProgram } from '../program.js';
import { restateServer } from './install.js';
import type { Peer } from './peer.js';

export async function startRestate(): Promise<Peer> {
  const all = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-restate-'));
    all.defer(() => rm(folder, { recursive: true, force: true }));
    const [ingress, admin, fabric, service] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const server = spawn(restateServer(), ['--no-logo', '--listen-mode', 'tcp'], {
      cwd: folder,
      stdio: 'ignore',
      env: {
        ...process.env,
        RESTATE_BASE_DIR: folder,
        RESTATE_BIND_IP: '127.0.0.1',
        RESTATE_BIND_PORT: String(fabric),
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
        RESTATE_DISABLE_TELEMETRY: 'true',
        DO_NOT_TRACK: '1',
      },
    });
    const release = guard(server.pid as number, 'TERM');
    const exited = new Promise<void>((resolve) => server.once('exit', () => (release(), resolve())));
    all.defer(async () => {
      server.kill('SIGTERM');
      const timer = setTimeout(() => server.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    });
    const worker = all.use(await startProgram('peers/restate-worker.ts', { PORT: String(service) }));
    await eventually(() => register(admin, service), { what: 'Restate knows the worker', timeoutMs: 60_000 });
    const client = all.use(
      await startProgram('peers/restate-client.ts', { INGRESS: `http://127.0.0.1:${ingress}`, SHAPE: 'call' }),
    );
    const whole = all.move();
    return {
      client,
      roles: new Map([
        ['restate-server', [server.pid as number]],
        ['worker', [worker.pid]],
        ['client', [client.pid]],
      ]),
      [Symbol.asyncDispose]: () => whole.disposeAsync(),
    };
  } catch (error) {
    await all.disposeAsync();
    throw error;
  }
}

async function register(admin: number, service: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${admin}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }),
  });
  if (!response.ok) throw new Error(await response.text());
  return true;
}
