import type { Capability } from '@writ/ledger/domain';
import { EntitySchema } from 'typeorm';
import type { Key, PublicJwk } from '../principal/keys.js';
import type { PrincipalKind } from '../principal/principal.events.js';

export type State = 'active' | 'revoked';

export interface TenantRow {
  id: string;
  name: string;
  state: State;
  created: Date;
}
export const TenantRow = new EntitySchema<TenantRow>({
  name: 'TenantRow',
  tableName: 'tenants',
  columns: {
    id: { type: 'text', primary: true },
    name: { type: 'text' },
    state: { type: 'text' },
    created: { type: 'timestamptz' },
  },
});

export interface PrincipalRow {
  id: string;
  tenant: string;
  kind: PrincipalKind;
  name: string;
  state: State;
  owner: string | null;
  groups: string[];
  capabilities: Capability[];
  keys: Key[];
  version: number;
  created: Date;
}
export const PrincipalRow = new EntitySchema<PrincipalRow>({
  name: 'PrincipalRow',
  tableName: 'principals',
  columns: {
    id: { type: 'text', primary: true },
    tenant: { type: 'text' },
    kind: { type: 'text' },
    name: { type: 'text' },
    state: { type: 'text' },
    owner: { type: 'text', nullable: true },
    groups: { type: 'text', array: true },
    capabilities: { type: 'jsonb' },
    keys: { type: 'jsonb' },
    version: { type: 'int' },
    created: { type: 'timestamptz' },
  },
});

/** An open grant; closed ones are only in the ledger. */
export interface GrantRow {
  run: string;
  tenant: string;
  agent: string;
  parent: string | null;
  chain: string[];
  details: Capability[];
  depth: number;
  /** The revocation that took it away, if any. */
  revokedEpoch: string | null;
  issued: Date;
}
export const GrantRow = new EntitySchema<GrantRow>({
  name: 'GrantRow',
  tableName: 'grants',
  columns: {
    run: { type: 'text', primary: true },
    tenant: { type: 'text', primary: true },
    agent: { type: 'text' },
    parent: { type: 'text', nullable: true },
    chain: { type: 'text', array: true },
    details: { type: 'jsonb' },
    depth: { type: 'int' },
    revokedEpoch: { type: 'bigint', name: 'revoked_epoch', nullable: true },
    issued: { type: 'timestamptz' },
  },
});

export interface RevocationRow {
  /** A bigint, which pg gives as text. */
  epoch: string;
  tenant: string;
  subject: string;
  kind: string;
  reason: string;
  revokedBy: string;
  event: string;
  revoked: Date;
}
export const RevocationRow = new EntitySchema<RevocationRow>({
  name: 'RevocationRow',
  tableName: 'revocations',
  columns: {
    epoch: { type: 'bigint', primary: true },
    tenant: { type: 'text' },
    subject: { type: 'text' },
    kind: { type: 'text' },
    reason: { type: 'text' },
    revokedBy: { type: 'text', name: 'revoked_by' },
    event: { type: 'text' },
    revoked: { type: 'timestamptz' },
  },
});

/** A token that may still be valid, so that it can be found by its `jti`. */
export interface TokenRow {
  jti: string;
  tenant: string;
  principal: string;
  run: string | null;
  expires: Date;
}
export const TokenRow = new EntitySchema<TokenRow>({
  name: 'TokenRow',
  tableName: 'tokens',
  columns: {
    jti: { type: 'text', primary: true },
    tenant: { type: 'text' },
    principal: { type: 'text' },
    run: { type: 'text', nullable: true },
    expires: { type: 'timestamptz' },
  },
});

export interface SigningKeyRow {
  kid: string;
  jwk: PublicJwk;
  since: Date;
  until: Date | null;
}
export const SigningKeyRow = new EntitySchema<SigningKeyRow>({
  name: 'SigningKeyRow',
  tableName: 'signing_keys',
  columns: {
    kid: { type: 'text', primary: true },
    jwk: { type: 'jsonb' },
    since: { type: 'timestamptz' },
    until: { type: 'timestamptz', nullable: true },
  },
});

/** Every table of the view, for the data source. */
export const registryEntities = [TenantRow, PrincipalRow, GrantRow, RevocationRow, TokenRow, SigningKeyRow];
