import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { DataSource, QueryRunner } from 'typeorm';

/** PostgreSQL cuts longer names off. */
const LONGEST_NAME = 63;

/**
 * The role as which a service works: it reads and writes the tables of its own schema and nothing else. It owns nothing, is
 * no superuser, and row-level security binds it.
 */
export interface ServiceRole {
  readonly name: string;
  readonly password: string;
  /** With which the service connects. */
  readonly url: string;
}

/** The role's password follows from the owner's, so that replicas agree on it and nobody has to keep it. */
export function serviceRole(ownerUrl: string, schema: string): ServiceRole {
  const url = new URL(ownerUrl);
  if (url.password === '')
    throw new Error('WRIT_POSTGRES_URL has no password; that of the role of each service follows from it');
  const name = `${decodeURIComponent(url.pathname.slice(1))}_${schema}`;
  if (name.length > LONGEST_NAME) throw new Error(`the name of the database is too long for a role ${name}`);
  const password = createHmac('sha256', decodeURIComponent(url.password)).update(`writ role ${name}`).digest('hex');
  url.username = encodeURIComponent(name);
  url.password = password;
  return { name, password, url: url.href };
}

/** Makes the role, or brings it up to date. @param owner who may make roles */
export async function prepareRole(owner: QueryRunner, schema: string, role: ServiceRole): Promise<void> {
  const [known] = await owner.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role.name]);
  if (!known) await owner.query(`CREATE ROLE "${role.name}"`);
  // Each time: the owner may have a new password by now.
  await owner.query(`ALTER ROLE "${role.name}" LOGIN PASSWORD '${scramVerifier(role.password)}'`);
  await owner.query(`GRANT USAGE ON SCHEMA "${schema}" TO "${role.name}"`);
  await owner.query(
    `GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA "${schema}" TO "${role.name}"`,
  );
}

/** @throws Error where row-level security would not bind whoever is connected */
export async function refuseExemptRole(dataSource: DataSource): Promise<void> {
  const [role] = await dataSource.query<{ rolname: string; exempt: boolean }[]>(
    'SELECT rolname, rolsuper OR rolbypassrls AS exempt FROM pg_roles WHERE rolname = current_user',
  );
  if (role?.exempt !== false)
    throw new Error(`row-level security does not bind ${role?.rolname}; take SUPERUSER and BYPASSRLS from it`);
}

/**
 * What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no statement and in no log of the server:
 * `SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`
 */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyed = (label: string) => createHmac('sha256', salted).update(label).digest();
  const stored = createHash('sha256').update(keyed('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${keyed('Server Key').toString('base64')}`;
}
