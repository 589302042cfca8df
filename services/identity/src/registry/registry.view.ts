import type { Projection } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import { storableValue } from '@writ/platform';
import type { EntityManager } from 'typeorm';
import { principalEvents, type PrincipalCreated, type PrincipalKind } from '../principal/principal.events.js';
import { revocationEvents, type RevocationEvent } from '../revocation/revocation.events.js';
import { signingKeyEvents, type SigningKeyEvent } from '../signing/signing-key.events.js';
import { tenantEvents, type TenantEvent } from '../tenant/tenant.events.js';
import { PrincipalRow, RevocationRow, SigningKeyRow, TenantRow, registryEntities } from './registry.entities.js';
import { trafficTypes, writeTraffic } from './registry.traffic.js';

/** Name of the projection, for `Host.waitFor`. */
export const registryView = 'registry';

type Handler = (event: LedgerEvent, manager: EntityManager) => Promise<unknown>;
type Data<E extends { data: unknown }> = E['data'];

const handlers: Record<string, Handler> = {
  'tenant.created.v1': (event, manager) => {
    const { name } = event.data as unknown as Data<TenantEvent>;
    return insert(manager, TenantRow, { id: event.subject, name, state: 'active', created: new Date(event.time) });
  },
  'signing_key.activated.v1': async (event, manager) => {
    const { kid, jwk } = event.data as unknown as Data<SigningKeyEvent>;
    const at = new Date(event.time);
    await manager.query('update signing_keys set until = $1 where until is null', [at]);
    await insert(manager, SigningKeyRow, { kid, jwk, since: at, until: null });
  },
  'revocation.issued.v1': revoked,
  ...Object.fromEntries((['agent', 'person', 'operator'] as const).flatMap(principalHandlers)),
};

/** One projection for the whole registry: its parts refer to each other, so they show the same position. */
export const registryProjection: Projection = {
  name: registryView,
  events: [
    ...trafficTypes,
    ...[tenantEvents, principalEvents, signingKeyEvents, revocationEvents].flatMap((schemas) => Object.keys(schemas)),
  ],
  async apply(events, manager) {
    let traffic: LedgerEvent[] = [];
    for (const each of events) {
      const event = storableValue(each.event);
      if (trafficTypes.includes(event.type)) {
        traffic.push(event);
        continue;
      }
      // A revocation marks the grants that are there, so those before it are written first.
      await writeTraffic(traffic, manager);
      traffic = [];
      await handlers[event.type]?.(event, manager);
    }
    await writeTraffic(traffic, manager);
  },
  async reset(_partition, manager) {
    for (const { options } of registryEntities) await manager.query(`delete from ${options.tableName}`);
  },
};

function principalHandlers(kind: PrincipalKind): [string, Handler][] {
  const change = (assignment: string, values: (data: Record<string, unknown>) => unknown): Handler => {
    return ({ subject, tenant, data }, manager) =>
      manager.query(`update principals set version = version + 1, ${assignment} where id = $1 and tenant = $2`, [
        subject,
        tenant,
        values(data as Record<string, unknown>),
      ]);
  };
  return [
    [`${kind}.created.v1`, (event, manager) => created(kind, event, manager)],
    [`${kind}.key_added.v1`, change('keys = keys || $3::jsonb', (data) => JSON.stringify([data]))],
    [
      `${kind}.key_retired.v1`,
      change(
        `keys = coalesce((select jsonb_agg(each) from jsonb_array_elements(keys) each where each->>'kid' <> $3), '[]')`,
        ({ kid }) => kid,
      ),
    ],
    [
      `${kind}.capabilities_set.v1`,
      change('capabilities = $3::jsonb', ({ capabilities }) => JSON.stringify(capabilities)),
    ],
  ];
}

function created(kind: PrincipalKind, event: LedgerEvent, manager: EntityManager): Promise<unknown> {
  const { key, name, capabilities, owner = null, groups = [] } = event.data as unknown as PrincipalCreated;
  const base = {
    id: event.subject,
    tenant: event.tenant,
    kind,
    state: 'active' as const,
    version: 1,
    created: new Date(event.time),
  };
  return insert(manager, PrincipalRow, { ...base, name, owner, groups, capabilities, keys: [key] });
}

async function revoked(event: LedgerEvent, manager: EntityManager): Promise<void> {
  const { subject, kind, reason, epoch } = event.data as unknown as Data<RevocationEvent>;
  const by = { revokedBy: event.actor.principal, event: event.id, revoked: new Date(event.time) };
  await insert(manager, RevocationRow, { epoch: String(epoch), tenant: event.tenant, subject, kind, reason, ...by });
  if (kind === 'tenant') await manager.update(TenantRow, { id: subject }, { state: 'revoked' });
  if (kind === 'agent' || kind === 'person')
    await manager.update(PrincipalRow, { id: subject, tenant: event.tenant }, { state: 'revoked' });
  await manager.query(`update grants set revoked_epoch = $3 where revoked_epoch is null and ${belowSubject}`, [
    event.tenant,
    subject,
    epoch,
  ]);
}

/** SQL: the grants of tenant `$1` that rest on the subject `$2`. */
export const belowSubject = `tenant = $1 and (run = $2 or agent = $2 or chain @> array[$2]::text[] or tenant = $2)`;

async function insert<T extends object>(
  manager: EntityManager,
  entity: { options: { name: string } },
  row: T,
): Promise<void> {
  await manager
    .createQueryBuilder()
    .insert()
    .into<T>(entity.options.name)
    .values(row as never)
    .orIgnore()
    .execute();
}
