import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The view of the registry, the authorization server's memory of what may be seen once, and its sealed keys. */
export class Identity0001 implements MigrationInterface {
  readonly name = 'Identity0001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table tenants (
        id text primary key, name text not null, state text not null, created timestamptz not null
      );
      create table principals (
        id text primary key, tenant text not null, kind text not null, name text not null, state text not null,
        owner text, groups text[] not null, capabilities jsonb not null, keys jsonb not null,
        version int not null, created timestamptz not null
      );
      create index principals_listed on principals (tenant, kind, created desc, id desc);
      create table grants (
        tenant text not null, run text not null, agent text not null, parent text, chain text[] not null,
        details jsonb not null, depth int not null, revoked_epoch bigint, issued timestamptz not null,
        primary key (tenant, run)
      );
      create index grants_agent on grants (tenant, agent);
      create index grants_revoked on grants (revoked_epoch) where revoked_epoch is not null;
      create index grants_chain on grants using gin (chain);
      create table revocations (
        epoch bigint primary key, tenant text not null, subject text not null, kind text not null,
        reason text not null, revoked_by text not null, event text not null, revoked timestamptz not null
      );
      create index revocations_subject on revocations (tenant, subject);
      create table tokens (
        jti text primary key, tenant text not null, principal text not null, run text, expires timestamptz not null
      );
      create index tokens_expiry on tokens (expires);
      create table signing_keys (
        kid text primary key, jwk jsonb not null, since timestamptz not null, until timestamptz
      );
      create table sealed_keys (
        kid text primary key, sealed bytea not null, created timestamptz not null default now()
      );
      create table oauth_models (
        model text not null, id text not null, payload jsonb not null,
        grant_id text, user_code text, uid text, expires_at timestamptz,
        primary key (model, id)
      );
      create index oauth_models_expiry on oauth_models (expires_at);
      create index oauth_models_grant on oauth_models (grant_id) where grant_id is not null;
    `);
  }

  async down(): Promise<void> {
    throw new Error('migrations only go forward');
  }
}
