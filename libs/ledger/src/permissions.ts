import { partitionsOf, streamName } from './domain/partitioning.js';

/** Who connects to the broker with credentials of its own. */
export type BrokerUser = keyof typeof partitionsOf | 'gateway';

/** What a service needs of the broker beside its own partitions. */
interface Needs {
  /** To whose owners it sends commands, beside its own. */
  readonly commands: readonly BrokerUser[];
  /** Whose ledgers it reads, beside its own. */
  readonly reads: readonly BrokerUser[];
  /** Streams beside the ledger that it alone writes and reads, with the first token of their subjects. */
  readonly streams?: Readonly<Record<string, string>>;
  /** Stores large values by their hash. */
  readonly blobs?: true;
  /** Looks up where others listen. */
  readonly discovers?: true;
  /** Subjects on which its replicas speak with each other. */
  readonly among?: readonly string[];
  /** Subjects on which it tells everybody something. */
  readonly tells?: readonly string[];
}

const everybody = Object.keys(partitionsOf) as (keyof typeof partitionsOf)[];
/** Every enforcement point: it follows revocations and policies, and asks for approvals. */
const enforces = { commands: ['policy'], reads: ['identity', 'policy'] } as const;
/** Everybody hears it; identity alone may say it. */
const heartbeat = 'identity.heartbeat';

/** The one table of who may do what at the broker. What is not in it is refused. */
const needs: Readonly<Record<BrokerUser, Needs>> = {
  // The scheduler knows how a run was started that never needed a grant.
  identity: { ...enforces, commands: [...enforces.commands, 'scheduler'], tells: [heartbeat] },
  policy: enforces,
  scheduler: {
    commands: ['identity', 'policy'],
    reads: enforces.reads,
    blobs: true,
    streams: { DELTAS: 'deltas', STREAMS: 'streams' },
    among: ['dispatch.>', 'replay.>', 'worker.>', 'scheduler.>'],
  },
  'sandbox-runner': { ...enforces, blobs: true },
  memory: enforces,
  // The scheduler keeps the budgets of runs, from which calls are paid.
  tools: {
    ...enforces,
    commands: [...enforces.commands, 'scheduler'],
    blobs: true,
    discovers: true,
    among: ['tools.>'],
  },
  audit: { ...enforces, reads: everybody },
  gateway: { ...enforces, reads: everybody, discovers: true },
};

/** Everybody of that table. */
export const brokerUsers = Object.keys(needs) as readonly BrokerUser[];

/** The `permissions` of a NATS user; with an allow-list, everything else is refused. */
export type BrokerPermissions = {
  readonly publish: { readonly allow: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
};

/**
 * What the broker allows to the credentials of one service, and no more: its own commands, commits, leases and keys, answers to
 * itself, and the reading of what it must follow. Nobody may update, delete, purge or restore a ledger (`deny_delete` and
 * `deny_purge` do not stop an update of the limits, which trims it); a stream is made by its own service where it is missing.
 */
export function servicePermissions(service: BrokerUser): BrokerPermissions {
  const { commands, reads, blobs, discovers, streams = {}, among = [], tells = [] } = needs[service];
  const owns = service in partitionsOf;
  const own = ledgersOf(service);
  const foreign = reads.filter((each) => each !== service).flatMap(ledgersOf);
  return {
    publish: {
      allow: [
        '$JS.API.INFO',
        `${inboxPrefix(service)}.>`, // answers among its own replicas
        `enforcement.${service}.*`,
        ...among,
        ...tells,
        ...new Set([service, ...commands].map((each) => `command.${each}.*`)),
        ...bucket('services', service, discovers ? '>' : undefined),
        ...objects('blobs', blobs),
        ...Object.entries(streams).flatMap(([name, subject]) => beside(name, subject)),
        ...(owns
          ? [`answer.${service}.>`, `ledger.${service}.*`, ...state(service), ...objects(snapshots(service), true)]
          : []),
        ...own.flatMap((stream) => [`$JS.API.STREAM.CREATE.${stream}`, ...reading(stream)]),
        ...foreign.flatMap(reading),
      ],
    },
    subscribe: {
      allow: [
        `${inboxPrefix(service)}.>`,
        `answer.*.*.${service}.>`,
        `enforcement.${service}.*`,
        heartbeat,
        ...among,
        ...Object.values(streams).map((subject) => `${subject}-live.>`),
        ...(discovers ? ['$KV.services.>'] : []),
        ...(owns ? [`command.${service}.*`, `$KV.leases.*.${service}.*`] : []),
      ],
    },
  };
}

/** A stream of streams: what is in it may be removed. What was stored is told by the broker itself. */
function beside(name: string, subject: string): string[] {
  return [
    `${subject}.>`,
    `$JS.API.STREAM.CREATE.${name}`,
    `$JS.API.STREAM.PURGE.${name}`,
    `$JS.API.STREAM.MSG.GET.${name}`,
    `$JS.API.DIRECT.GET.${name}`,
    `$JS.API.DIRECT.GET.${name}.>`,
  ];
}

/** The bucket of a service's snapshots: only it may remove any. */
export function snapshots(service: string): string {
  return `snapshots-${service}`;
}

/** Where the broker's answers to a service come in. */
export function inboxPrefix(service: string | undefined): string {
  return service === undefined ? '_INBOX' : `_INBOX.${service}`;
}

function ledgersOf(service: string): string[] {
  const partitions = (partitionsOf as Record<string, number>)[service] ?? 0;
  return Array.from({ length: partitions }, (_, partition) => streamName(service, partition));
}

/** Reads a stream: its state, single messages, and in order by consumers of one's own. */
function reading(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    ...consuming(stream),
  ];
}

/** @param filter of the subjects that may be consumed; default: all */
function consuming(stream: string, filter?: string): string[] {
  const create = `$JS.API.CONSUMER.CREATE.${stream}`;
  return [
    ...(filter === undefined ? [create, `${create}.>`] : [`${create}.*.${filter}`]),
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

/** A bucket that all share, of which each writes only keys with its own name. */
function bucket(name: string, own: string, read?: string): string[] {
  const stream = `KV_${name}`;
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.CREATE.${stream}`,
    `$KV.${name}.${own}.>`,
    ...(read === undefined
      ? []
      : [`$JS.API.DIRECT.GET.${stream}.$KV.${name}.${read}`, ...consuming(stream, `$KV.${name}.${read}`)]),
  ];
}

/** Who owns and lives (`leases`), and how far reactors are, what they parked, which snapshot is the newest (`ledger`). */
function state(service: string): string[] {
  const parked = consuming('KV_ledger', `$KV.ledger.parked.${service}.>`);
  return [
    ...['ledger', 'leases'].flatMap((name) => [
      ...bucket(name, `*.${service}`),
      `$JS.API.DIRECT.GET.KV_${name}.$KV.${name}.*.${service}.>`,
    ]),
    ...parked,
  ];
}

/** An object store; without `use` it is only known to be there, or made. Its objects are made of chunks that are purged with them. */
function objects(name: string, use: true | undefined): string[] {
  const stream = `OBJ_${name}`;
  const open = [`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.CREATE.${stream}`];
  if (!use) return open;
  return [
    ...open,
    `$O.${name}.>`,
    `$JS.API.STREAM.PURGE.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
    ...consuming(stream),
  ];
}
