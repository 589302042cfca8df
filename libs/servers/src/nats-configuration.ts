/** One user of the server; without any, everybody on this machine may do everything. */
export interface NatsUser {
  user: string;
  password: string;
  /** Users of different accounts share no subject and no stream; default: one account for all. */
  account?: string;
  /** NATS's own permissions block, for example `{ publish: { deny: ['$JS.API.STREAM.PURGE.>'] } }`. */
  permissions?: Record<string, unknown>;
}

const mebibyte = 1024 * 1024;

/** What a configuration is made of; also for a server that somebody else starts, as in a container. */
export interface NatsConfiguration {
  name: string;
  host: string;
  /** -1: the server chooses, and writes its choice into `portsDir`. */
  port: number;
  storeDir: string;
  portsDir?: string;
  durability: 'fsync' | 'flush';
  users?: readonly NatsUser[] | undefined;
  cluster?: NatsMembership | undefined;
  /** `host:port` of its HTTP monitor, which asks nobody for a password; default: none. */
  monitor?: string | undefined;
  /** What streams may take on the disk, bytes; default: what NATS finds, three quarters of what is free. */
  maxFileStore?: number | undefined;
}

/** What makes a server one of several. */
export interface NatsMembership {
  /** Of the cluster. */
  name: string;
  /** Where the others reach it: `nats://host:port` of each member's `port`, its own may be among them. */
  port: number;
  routes: readonly string[];
  /**
   * What another server must know to join: it may then say anything for any user. Without one everybody who reaches the port
   * may, so a server whose users have permissions needs it wherever others reach that port.
   */
  password?: string | undefined;
}

const MEMBER = 'member';

/** The text of a configuration file; NATS reads JSON as its own format. */
export function natsConfiguration(spec: NatsConfiguration): string {
  const settings = {
    server_name: spec.name,
    host: spec.host,
    port: spec.port,
    ...(spec.portsDir === undefined ? {} : { ports_file_dir: spec.portsDir }),
    max_payload: 8 * mebibyte,
    max_pending: 64 * mebibyte,
    jetstream: {
      store_dir: spec.storeDir,
      max_memory_store: 256 * mebibyte,
      ...(spec.maxFileStore === undefined ? {} : { max_file_store: spec.maxFileStore }),
      ...(spec.durability === 'fsync' ? { sync_interval: 'always' } : {}),
    },
    ...authorization(spec.users ?? []),
    ...(spec.monitor === undefined ? {} : { http: spec.monitor }),
    ...membership(spec.host, spec.cluster),
  };
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

function authorization(users: readonly NatsUser[]): Record<string, unknown> {
  if (users.length === 0) return {};
  const accounts = new Map<string, unknown[]>();
  for (const { account = 'writ', ...user } of users) {
    accounts.set(account, [...(accounts.get(account) ?? []), user]);
  }
  const entries = [...accounts].map(([name, members]) => [name, { jetstream: 'enabled', users: members }]);
  // The default of 2 s is too short for a client whose process is busy loading: the stack would not come up on a busy machine.
  return { authorization: { timeout: 30 }, accounts: Object.fromEntries(entries) };
}

function membership(host: string, cluster: NatsMembership | undefined): Record<string, unknown> {
  if (!cluster) return {};
  const { name, port, routes, password } = cluster;
  const listen = { name, listen: `${host}:${port}` };
  if (password === undefined) return { cluster: { ...listen, routes } };
  const known = routes.map((route) => route.replace('//', `//${MEMBER}:${password}@`));
  return { cluster: { ...listen, routes: known, authorization: { user: MEMBER, password, timeout: 30 } } };
}
