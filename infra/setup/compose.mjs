/**
 * Makes what `infra/compose.yaml` is given as secrets: keys, passwords and the configuration of the broker with each service's user
 * and permissions. What is there already is kept, so it may run again, and must after an upgrade: the configuration is written anew.
 *
 *     node infra/setup/compose.mjs [--folder .writ/compose] [--cluster]
 *
 * The folder is readable by this user alone. Files that containers are given are readable by all in it, since the users inside are
 * others; the operator's are not.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { brokerUsers, servicePermissions } from '@writ/ledger';
import { natsConfiguration } from '@writ/servers';
import { root } from './places.mjs';

/** The servers of `compose.cluster.yaml`. */
const members = ['nats', 'nats-2', 'nats-3'];
/** In a container everything listens everywhere, and only its networks lead there. */
const place = { host: '0.0.0.0', port: 4222, storeDir: '/data', durability: 'fsync' };
/** For the health check inside its container, and for nobody else. */
const monitor = '127.0.0.1:8222';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: path.join(root, '.writ/compose') },
    cluster: { type: 'boolean', default: false },
  },
});
const folder = path.resolve(values.folder);

mkdirSync(folder, { recursive: true, mode: 0o700 });
chmodSync(folder, 0o700);

const users = [{ user: 'writ', password: password('nats-operator', 0o600) }].concat(
  brokerUsers.map((user) => ({ user, password: password(`nats-${user}`), permissions: servicePermissions(user) })),
);
write('nats.conf', natsConfiguration({ ...place, name: 'nats', users, monitor }));
const routes = members.map((name) => `nats://${name}:6222`);
const membership = { name: 'writ', port: 6222, routes, password: password('nats-member', 0o600) };
for (const name of members)
  write(`${name}.cluster.conf`, natsConfiguration({ ...place, name, users, monitor, cluster: membership }));

const postgres = password('postgres-password');
write('postgres-url', `postgres://writ:${postgres}@postgres:5432/writ`);
password('grafana-password');
once('identity-secret', () => randomBytes(32).toString('base64'));
once('tools-secret', () => randomBytes(32).toString('base64'));

const operator = JSON.parse(once('operator.jwk.json', newJwk, 0o600));
write('operator.key.json', JSON.stringify({ client_id: 'operator', jwk: operator }), 0o600);
write('operator.public.json', JSON.stringify(publicHalf(operator)));
const tools = JSON.parse(once('tools.key.json', newJwk));
write('services.public.json', JSON.stringify({ svc_tools: publicHalf(tools) }));

const cluster = values.cluster
  ? {
      WRIT_NATS_URL: members.map((name) => `nats://${name}:4222`).join(','),
      WRIT_STREAM_REPLICAS: 3,
      WRIT_PORT: '7070-7079',
      WRIT_GRPC: '7080-7089',
      WRIT_OPERATIONS: '7090-7099',
      WRIT_GRAFANA_PORT: '7100',
    }
  : {};
const environment = { WRIT_SECRETS: folder, ...cluster };
write(
  '.env',
  Object.entries(environment)
    .map(([name, value]) => `${name}=${value}\n`)
    .join(''),
);
process.stdout.write(`secrets for compose are in ${folder}; the operator's key is operator.key.json (WRIT_KEY_FILE)\n`);

function password(name, mode) {
  return once(name, () => randomBytes(24).toString('base64url'), mode);
}

/** Its content; made where it is missing. */
function once(name, make, mode) {
  const file = path.join(folder, name);
  if (!existsSync(file)) write(name, make(), mode);
  return readFileSync(file, 'utf8');
}

function write(name, text, mode = 0o644) {
  const file = path.join(folder, name);
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
}

function newJwk() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return JSON.stringify({ ...privateKey.export({ format: 'jwk' }), alg: 'ES256' });
}

function publicHalf({ d: _secret, ...jwk }) {
  return jwk;
}
