import type { LedgerEvent } from '@writ/ledger/domain';
import type { EntityManager } from 'typeorm';
import { grantEvents, type GrantEvent } from '../grant/grant.events.js';
import { tokenEvents, type TokenIssued } from '../token/token.events.js';
import { GrantRow, TokenRow } from './registry.entities.js';

type Issued = Extract<GrantEvent, { type: 'grant.issued.v1' }>['data'];

/** What comes with every run: its grants and tokens. Everything else in the registry is rare. */
export const trafficTypes: readonly string[] = [...Object.keys(grantEvents), ...Object.keys(tokenEvents)];

/** Writes the rows of many of these events with three statements; only the last event of each run counts. */
export async function writeTraffic(events: readonly LedgerEvent[], manager: EntityManager): Promise<void> {
  // Run ids are chosen by clients: two tenants may have the same.
  const grants = new Map<string, { tenant: string; run: string; row?: GrantRow }>();
  const tokens: TokenRow[] = [];
  for (const { type, subject, tenant, time, data } of events)
    if (type === 'token.issued.v1') {
      const { principal, run = null, expires } = data as unknown as TokenIssued;
      tokens.push({ jti: subject, tenant, principal, run, expires: new Date(expires) });
    } else if (type === 'grant.issued.v1') {
      const grant = data as unknown as Issued;
      const base = { tenant, revokedEpoch: null, issued: new Date(time) };
      const row = { ...grant, ...base, parent: grant.parent ?? null };
      grants.set(`${tenant}/${subject}`, { tenant, run: subject, row });
    } else grants.set(`${tenant}/${subject}`, { tenant, run: subject });
  const open = [...grants.values()].flatMap(({ row }) => row ?? []);
  const closed = [...grants.values()].filter(({ row }) => row === undefined);
  if (closed.length > 0)
    await manager.query('delete from grants where (tenant, run) in (select * from unnest($1::text[], $2::text[]))', [
      closed.map(({ tenant }) => tenant),
      closed.map(({ run }) => run),
    ]);
  for (const rows of slices(open))
    await manager
      .createQueryBuilder()
      .insert()
      .into(GrantRow)
      .values(rows as never)
      .orIgnore()
      .execute();
  for (const rows of slices(tokens))
    await manager.createQueryBuilder().insert().into(TokenRow).values(rows).orIgnore().execute();
}

/** PostgreSQL takes 65,535 parameters a statement. */
function* slices<T>(rows: readonly T[], size = 2_000): Iterable<T[]> {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size);
}
