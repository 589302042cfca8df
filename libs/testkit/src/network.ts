import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isAlive } from '@writ/servers';

const run = promisify(execFile);
const prefix = 'writ-net';

/** Hosts that reach each other and this process, each in a network namespace of its own, and each can be cut off. */
export interface Network extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[];
}

export interface NetworkHost {
  /** Of the namespace, as `ip netns` knows it. */
  readonly namespace: string;
  /** Its address, the same inside and outside. */
  readonly host: string;
  /** Takes its cable out: what is on its way is lost, connections stay open and hear nothing. */
  cut(): Promise<void>;
  heal(): Promise<void>;
}

/** Why no network can be made here; undefined where one can. */
export async function whyNoNetwork(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    await ip('netns', 'add', `${prefix}-probe-${process.pid}`);
    await ip('netns', 'delete', `${prefix}-probe-${process.pid}`);
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** @throws Error where {@link whyNoNetwork} has a reason */
export async function startNetwork(size: number): Promise<Network> {
  await removeOrphans();
  // One subnet for each process that has a network: 10.213.<id>.0/24, seen on this machine only.
  const id = process.pid % 250;
  const bridge = `writ-br${process.pid}`;
  const hosts = Array.from({ length: size }, (_, index) => hostOf(index + 1, id));
  const remove = async (): Promise<void> => {
    for (const { namespace } of hosts) await ip('netns', 'delete', namespace).catch(() => undefined);
    await ip('link', 'delete', bridge).catch(() => undefined);
  };
  try {
    await ip('link', 'add', bridge, 'type', 'bridge');
    await ip('address', 'add', `10.213.${id}.254/24`, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    for (const { namespace, cable, host } of hosts) {
      await ip('netns', 'add', namespace);
      await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      await ip('link', 'set', cable, 'master', bridge, 'up');
      await ip('-n', namespace, 'address', 'add', `${host}/24`, 'dev', 'eth0');
      for (const device of ['lo', 'eth0']) await ip('-n', namespace, 'link', 'set', device, 'up');
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { hosts, [Symbol.asyncDispose]: remove };
}

function hostOf(number: number, id: number): NetworkHost & { cable: string } {
  const cable = `writ${process.pid}v${number}`;
  return {
    namespace: `${prefix}-${process.pid}-${number}`,
    host: `10.213.${id}.${number}`,
    cable,
    cut: () => ip('link', 'set', cable, 'down'),
    heal: () => ip('link', 'set', cable, 'up'),
  };
}

/** Of processes that were killed. */
async function removeOrphans(): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'list']);
  for (const [, namespace = '', pid] of stdout.matchAll(new RegExp(`^(${prefix}-(?:probe-)?(\\d+)\\S*)`, 'gm'))) {
    if (isAlive(Number(pid))) continue;
    await ip('netns', 'delete', namespace).catch(() => undefined);
    await ip('link', 'delete', `writ-br${pid}`).catch(() => undefined);
  }
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}
