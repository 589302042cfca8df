import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** A new, empty database on that server; `drop` cuts whoever still uses it. */
export async function scratchDatabase(serverUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `suite_${randomBytes(6).toString('hex')}`;
  await administer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => drop(serverUrl, name) };
}

/** With the roles that services have made for themselves in it. */
async function drop(serverUrl: string, name: string): Promise<void> {
  await administer(serverUrl, `drop database if exists ${name} with (force)`);
  await administer(
    serverUrl,
    `do $$ declare each text; begin
       for each in select rolname from pg_roles where starts_with(rolname, '${name}_') loop
         execute format('drop role %I', each);
       end loop;
     end $$`,
  );
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
