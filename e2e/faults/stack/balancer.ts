/** What a team has in front of several gateways: connections go in turn to those that say that they are ready. */
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The ports of one gateway on this machine. */
export interface Door {
  readonly http: number;
  readonly grpc: number;
}

export interface Balancer extends Door, AsyncDisposable {
  /** Looks from now on for doors, since their ports may change when a container is started again. */
  watch(doors: () => Promise<readonly Door[]>): void;
}

const LOOK_EVERY_MS = 500;

export async function startBalancer(): Promise<Balancer> {
  let ready: readonly Door[] = [];
  let turn = 0;
  const servers = await Promise.all(
    (['http', 'grpc'] as const).map((kind) => listen(() => ready[turn++ % ready.length]?.[kind])),
  );
  const [http, grpc] = servers.map((server) => (server.address() as AddressInfo).port) as [number, number];
  const over = new AbortController();
  let watching = Promise.resolve();
  return {
    http,
    grpc,
    watch(doors) {
      watching = (async () => {
        while (!over.signal.aborted) {
          const all = await doors().catch(() => []);
          const open = await Promise.all(all.map(isReady));
          ready = all.filter((_, index) => open[index]);
          await delay(LOOK_EVERY_MS, undefined, { signal: over.signal }).catch(() => {});
        }
      })();
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await watching;
      for (const server of servers) server.close();
    },
  };
}

async function isReady({ http }: Door): Promise<boolean> {
  const asked = fetch(`http://127.0.0.1:${http}/health/ready`, { signal: AbortSignal.timeout(2_000) });
  return asked.then(
    ({ ok }) => ok,
    () => false,
  );
}

async function listen(next: () => number | undefined): Promise<Server> {
  const server = createServer((near) => {
    const port = next();
    if (port === undefined) return void near.destroy();
    const far = connect({ host: '127.0.0.1', port });
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
