import { covers, refuse, type Aggregate, type Capability, type Json, type Peek } from '@writ/ledger/domain';
import type { Tenant } from '../tenant/tenant.js';
import { newKeys, retiredKeys, type Key, type Keys } from './keys.js';
import { principalEvents, type PrincipalCreated, type PrincipalEvent, type PrincipalKind } from './principal.events.js';

/** Someone who can have a token. Whether they were revoked stands in the revocations, not here. */
export type Principal = { status: 'none' } | ActivePrincipal;
export interface ActivePrincipal {
  status: 'active';
  name: string;
  capabilities: readonly Capability[];
  keys: Keys;
  groups: readonly string[];
  owner?: string;
  /** Counts its changes from 1. */
  version: number;
}

/**
 * `holds` is what the caller's own token carries: nobody creates a principal that holds more, and nobody puts a key of
 * theirs on one that does.
 */
export type PrincipalCommand =
  | ({ type: 'create'; key: Key; holds: readonly Capability[] } & Description)
  | { type: 'add_key'; key: Key; holds: readonly Capability[] }
  | { type: 'rotate_key'; key: Key; holds: readonly Capability[] }
  | { type: 'retire_key'; kid: string }
  | { type: 'set_capabilities'; capabilities: readonly Capability[]; holds: readonly Capability[]; ifVersion?: number };

interface Description {
  name: string;
  capabilities: readonly Capability[];
  owner?: string;
  groups?: readonly string[];
}

/** The client id and principal id of the operator, who lives in the tenant `system`. */
export const operatorId = 'operator';
/** Where everything of the installation itself is recorded. */
export const systemTenant = 'system';

export const agent = principal('agent');
export const person = principal('person');
export const operator = principal('operator');

function principal<K extends PrincipalKind>(kind: K): Aggregate<Principal, PrincipalCommand, PrincipalEvent<K>> {
  return {
    name: kind,
    initial: { status: 'none' },
    events: Object.keys(principalEvents).filter((type) => type.startsWith(`${kind}.`)) as PrincipalEvent<K>['type'][],
    decide(command, state, { subject, tenant, peek }) {
      if (tenant !== systemTenant && peek<Tenant>('tenant', tenant)?.status !== 'active')
        throw refuse('identity.tenant_not_found', `there is no tenant ${tenant}`);
      if (tenant === systemTenant && kind !== 'operator')
        throw refuse(
          'identity.tenant_not_found',
          `no ${kind} lives in ${tenant}: an operator names the tenant in the header writ-tenant`,
        );
      return decide(kind, command, state, subject);
    },
    evolve: (state, event) => evolve(state, event.type.slice(kind.length + 1), event.data),
  };
}

function decide<K extends PrincipalKind>(
  kind: K,
  command: PrincipalCommand,
  state: Principal,
  id: string,
): PrincipalEvent<K>[] {
  if (command.type === 'create') return create(kind, command, state, id);
  if (state.status === 'none') throw refuse(`identity.${kind}_not_found`, `there is no ${kind} ${id} in this tenant`);
  switch (command.type) {
    case 'add_key':
      within('the caller', command.holds, state.capabilities);
      return newKeys(state.keys, command.key).map((key) => ({ type: `${kind}.key_added.v1` as const, data: key }));
    case 'rotate_key': {
      within('the caller', command.holds, state.capabilities);
      const old = state.keys.filter((key) => key.kid !== command.key.kid);
      const added = old.length === state.keys.length ? [command.key] : [];
      return [
        ...added.map((key) => ({ type: `${kind}.key_added.v1` as const, data: key })),
        ...old.map((key) => ({ type: `${kind}.key_retired.v1` as const, data: { kid: key.kid } })),
      ];
    }
    case 'retire_key':
      return retiredKeys(state.keys, command.kid).map((kid) => ({
        type: `${kind}.key_retired.v1` as const,
        data: { kid },
      }));
    case 'set_capabilities':
      within('the caller', command.holds, command.capabilities);
      if (command.ifVersion !== undefined && command.ifVersion !== state.version)
        throw refuse('identity.changed_meanwhile', `${id} is at version ${state.version}, not ${command.ifVersion}`);
      if (same(state.capabilities, command.capabilities)) return [];
      return [{ type: `${kind}.capabilities_set.v1` as const, data: { capabilities: plain(command.capabilities) } }];
  }
}

function create<K extends PrincipalKind>(
  kind: K,
  command: Extract<PrincipalCommand, { type: 'create' }>,
  state: Principal,
  id: string,
): PrincipalEvent<K>[] {
  within('the caller', command.holds, command.capabilities);
  if (state.status === 'active') {
    const repeat =
      state.name === command.name &&
      same(state.capabilities, command.capabilities) &&
      state.keys.some((key) => key.kid === command.key.kid);
    if (repeat) return [];
    throw refuse(`identity.${kind}_exists`, `${id} exists already, with another name, key or capabilities`);
  }
  const data = {
    name: command.name,
    capabilities: plain(command.capabilities),
    key: command.key,
    ...(command.owner === undefined ? {} : { owner: command.owner }),
    ...(command.groups === undefined ? {} : { groups: [...command.groups] }),
  };
  return [{ type: `${kind}.created.v1` as const, data }];
}

function evolve(state: Principal, change: string, data: PrincipalEvent['data']): Principal {
  if (change === 'created.v1') {
    const { key, groups = [], ...rest } = data as PrincipalCreated;
    return { status: 'active', ...rest, groups, keys: [key], version: 1 };
  }
  if (state.status === 'none') return state;
  const version = state.version + 1;
  switch (change) {
    case 'key_added.v1':
      return { ...state, version, keys: [...state.keys, data as Key] };
    case 'key_retired.v1':
      return { ...state, version, keys: state.keys.filter((key) => key.kid !== (data as { kid: string }).kid) };
    case 'capabilities_set.v1':
      return { ...state, version, capabilities: (data as { capabilities: Capability[] }).capabilities };
    default:
      return state;
  }
}

/**
 * The kind that an id's prefix says; nothing if no principal has such an id. A service (`svc_…`) is an operator with few
 * capabilities.
 */
export function kindOf(id: string): PrincipalKind | undefined {
  if (id === operatorId || id.startsWith('svc_')) return 'operator';
  if (id.startsWith('agt_')) return 'agent';
  return id.startsWith('psn_') ? 'person' : undefined;
}

/** The principal of that id, or nothing; for a decider the principals of other tenants do not exist. */
export function peekPrincipal(peek: Peek, id: string): ActivePrincipal | undefined {
  const kind = kindOf(id);
  const found = kind && peek<Principal>(kind, id);
  return found?.status === 'active' ? found : undefined;
}

/** Nobody hands out more than they hold. Throws `identity.exceeds_parent` with the first capability that is missing. */
export function within(holder: string, held: readonly Capability[], wanted: readonly Capability[]): void {
  const verdict = covers(held, wanted);
  if (verdict.ok) return;
  const { missing } = verdict;
  const where = missing.resources ? ` on ${missing.resources.join(', ')}` : '';
  throw refuse('identity.exceeds_parent', `${holder} does not hold ${missing.actions.join(', ')}${where}`, {
    missing: missing as unknown as Json,
  });
}

/** A copy that event data may hold. */
export function plain(capabilities: readonly Capability[]) {
  return capabilities.map(({ type, actions, resources }) => ({
    type,
    actions: [...actions],
    ...(resources === undefined ? {} : { resources: [...resources] }),
  }));
}

/** Whether a repeated command says the same as the first. */
export function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
