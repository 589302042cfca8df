import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { problemOf } from '../failure/refused.js';
import { fields, table, type Column } from '../output/table.js';
import { healthOf, mixedCode, troubleOf, type ReplicaHealth } from './health.js';

const columns: readonly Column<ReplicaHealth>[] = [
  { head: 'SERVICE', of: ({ service }) => service },
  { head: 'READY', of: ({ ready }) => (ready ? 'yes' : 'NO') },
  { head: 'PARTITIONS', of: ({ ownership }) => partitionsOf(ownership?.partitions), right: true },
  { head: 'REVOCATIONS', of: ({ enforcement: e }) => (e ? `${e.revocationAgeMs ?? '?'} ms old` : ''), right: true },
  { head: 'TROUBLE', of: (health) => (health.ready ? '' : troubleOf(health)), flexible: true },
];

function partitionsOf(partitions: readonly { readonly state?: string }[] | undefined): string {
  return partitions ? `${partitions.filter(({ state }) => state === 'owned').length}/${partitions.length}` : '';
}

/** A part that could not be asked is told as its error, not as the end of the command. */
async function orError<T>(asked: Promise<T>): Promise<T | { error: { code: string; detail: string } }> {
  return asked.catch((error: unknown) => {
    const { code, detail } = problemOf(error);
    return { error: { code, detail } };
  });
}

export async function showStatus(call: Call): Promise<number> {
  const [api, settings] = await Promise.all([call.api(), call.settings()]);
  const beginnings = await api.beginnings();
  const [services, record, who] = await Promise.all([
    healthOf(api),
    orError(api.call(routes.getCheckpoint, {})),
    orError(api.call(routes.whoAmI, {})),
  ]);
  const ready = services.length > 0 && services.every((each) => each.ready);
  const nats = services.find((each) => each.nats?.version)?.nats?.version;
  const durability = services.find((each) => each.durability)?.durability;
  const body = { url: settings.url, ready, durability, natsServer: nats, ...beginnings, services, record, who };
  if (call.out.machine) call.out.document(body);
  else {
    const { principal = '', kind = '', tenant = '' } = 'error' in who ? {} : who;
    const pairs: (readonly [string, string | undefined])[] = [
      ['writ', `${settings.url.value}   (from ${settings.url.source})`],
      ['grpc', beginnings.grpc],
      ['mcp', beginnings.mcp],
      ['durability', durability && `${durability}   nats-server ${nats}`],
      ['record', 'error' in record ? `${record.error.detail} (${record.error.code})` : `${record.treeSize} events`],
      ['log key', 'error' in record ? '' : record.verifierKey],
      ['you', 'error' in who ? `${who.error.detail} (${who.error.code})` : `${principal} (${kind}) in ${tenant}`],
    ];
    call.out.data(fields(pairs, process.stdout));
    for (const text of mixedCode(services)) call.out.data(`\n${text}`);
    if (services.length > 0) call.out.data(`\n${table(services, columns, process.stdout)}`);
  }
  return ready ? exit.ok : exit.found;
}
