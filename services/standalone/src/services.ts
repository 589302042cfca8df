import type { RunningService } from '@writ/platform';

/** Environment of one service. */
export type Env = Record<string, string | undefined>;

/** What the stack needs of a service that runs. */
export type Started = Pick<RunningService, 'httpUrl' | 'grpcUrl' | 'stop'>;

/** Starts one service, in this process or in one of its own. */
export type ServiceStarter = (name: ServiceName, env: Env) => Promise<Started>;

const names = ['gateway', 'identity', 'policy', 'scheduler', 'sandbox-runner', 'tools', 'memory', 'audit'] as const;
type ServiceName = (typeof names)[number];

const STOP_ORDER: readonly (readonly ServiceName[])[] = [
  ['gateway'],
  ['tools', 'scheduler', 'memory'],
  ['sandbox-runner'],
  ['policy', 'audit'],
  ['identity'],
];

/** What a service may take to finish what is in flight. The ledger has all that was acknowledged, so more is not worth waiting for. */
const STOP_MS = 20_000;

/** Whether it has stopped in time. */
async function stopped(service: Started | undefined): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(resolve, STOP_MS, false)));
  return Promise.race([Promise.resolve(service?.stop()).then(() => true), late]).finally(() => clearTimeout(timer));
}

/** Starts every service at once; each waits for what it needs of the others. Stops them all when one fails. */
export async function startServices(
  starter: ServiceStarter,
  env: Env,
  /** What only one service may see. */
  secrets: Partial<Record<ServiceName, Env>>,
  undo: (() => Promise<void>)[],
  say: (line: string) => void,
): Promise<Record<ServiceName, Started>> {
  const started = new Map<ServiceName, Started>();
  const stop = async () => {
    // The door first, so that nobody comes in any more; then whoever uses others before those; identity last, so that the
    // rest is believed to the end.
    const hanging: ServiceName[] = [];
    for (const group of STOP_ORDER)
      await Promise.all(
        group.map(async (name) => {
          if (!(await stopped(started.get(name)))) hanging.push(name);
        }),
      );
    if (hanging.length > 0) throw new Error(`${hanging.join(', ')} did not stop within ${STOP_MS / 1000} s`);
  };
  const results = await Promise.allSettled(
    names.map(async (name) => {
      started.set(name, await starter(name, { ...envOf(name, env), ...secrets[name] }));
      say(`${name} is ready`);
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) {
    await stop().catch(() => {}); // why it did not start says more
    throw failed.reason;
  }
  undo.push(stop);
  return Object.fromEntries(started) as Record<ServiceName, Started>;
}

/** Every service in this process. */
export const inThisProcess: ServiceStarter = async (name, env) => {
  const service = (await import(`@writ/service-${name}`)) as { start(env: Env): Promise<Started> };
  return service.start(env);
};

function envOf(name: ServiceName, env: Env): Env {
  const port = name === 'gateway' ? env['WRIT_GATEWAY_PORT'] : '0';
  return { ...env, WRIT_HTTP_PORT: port, WRIT_GRPC_PORT: '0', WRIT_HOST: '127.0.0.1', WRIT_WORKERS_DIRECT: 'true' };
}
