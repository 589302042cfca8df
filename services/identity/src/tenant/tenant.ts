import { refuse, type Aggregate } from '@writ/ledger/domain';
import { tenantEvents, type TenantEvent } from './tenant.events.js';

/** A tenant: everything in it is invisible to every other. */
export type Tenant = { status: 'none' } | { status: 'active'; name: string };
export type TenantCommand = { type: 'create'; name: string };

export const tenant: Aggregate<Tenant, TenantCommand, TenantEvent> = {
  name: 'tenant',
  initial: { status: 'none' },
  events: Object.keys(tenantEvents) as TenantEvent['type'][],
  decide(command, state, about) {
    if (state.status === 'none') return [{ type: 'tenant.created.v1', data: { name: command.name } }];
    if (state.name === command.name) return [];
    throw refuse('identity.tenant_exists', `${about.subject} exists already and is called ${state.name}`);
  },
  evolve: (_state, event) => ({ status: 'active', name: event.data.name }),
};
