import path from 'node:path';
import { JetStreamApiError, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { runningNats } from '@writ/servers';
import { jsonFile } from '../config/settings.js';
import { Refused } from '../failure/refused.js';

/** A broker, as one who may do everything there. */
export interface Broker extends AsyncDisposable {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly version: string;
}

/** The user that may do everything at the broker of the embedded stack; its password is in `secrets.json`. */
const ADMINISTRATOR = 'writ';

/** The broker that `WRIT_NATS_URL` names (`_USER`, `_PASS`), else the one that runs on the data folder. */
export async function openBroker(dataDir: string, env: NodeJS.ProcessEnv): Promise<Broker> {
  const { WRIT_NATS_URL: url, WRIT_NATS_USER: user = '', WRIT_NATS_PASS: pass = '' } = env;
  if (url !== undefined) return connectBroker(url, user, pass);
  const running = await runningNats(path.join(dataDir, 'nats'));
  if (!running)
    throw new Refused('service.unavailable', `no broker runs on ${dataDir}`, {
      hint: 'start the stack (`npm start`), name its folder with --data, or a broker with WRIT_NATS_URL',
    });
  return connectBroker(running.url, ADMINISTRATOR, await passwordOf(dataDir));
}

export async function passwordOf(dataDir: string): Promise<string> {
  const file = path.join(dataDir, 'secrets.json');
  const { natsPassword } = (await jsonFile(file)) ?? {};
  if (typeof natsPassword === 'string') return natsPassword;
  throw new Refused('cli.bad_input', `${file} cannot be read, or holds no password of the broker`, {
    hint: 'run this as the user that the stack runs as',
  });
}

export async function connectBroker(url: string, user: string, pass: string): Promise<Broker> {
  const nc = await connect({ servers: url, name: 'writ backup', ...(user !== '' && { user, pass }) }).catch(
    (error: Error) => {
      throw new Refused('service.unavailable', `the broker at ${url} does not let us in: ${error.message}`);
    },
  );
  const jsm = await jetstreamManager(nc);
  return { nc, jsm, version: nc.info?.version ?? '', [Symbol.asyncDispose]: () => nc.close() };
}

/** Now, by the clock that stamps the messages. */
export async function brokerTime({ jsm }: Broker, stream: string): Promise<Date> {
  const { ts } = (await jsm.streams.info(stream)) as unknown as { ts: string };
  return new Date(ts);
}

/** Whether a stream of this name is there. */
export async function hasStream({ jsm }: Broker, name: string): Promise<boolean> {
  try {
    await jsm.streams.info(name);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === 10059) return false;
    throw error;
  }
}
