import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { brokerUsers, type BrokerUser } from '@writ/ledger';

/** What set-up makes once for an installation and keeps in its data folder, readable by this user only. */
export interface Secrets {
  /** Private JWK (EC P-256) of the client `operator`. */
  readonly operatorJwk: Record<string, unknown>;
  /** Private JWK of the tool gateway, for what it does by itself. */
  readonly toolsJwk: Record<string, unknown>;
  /** Of the user `writ`, who may do everything at the broker: for backup and repair. No service has it. */
  readonly natsPassword: string;
  /** Of the user that each service is at the broker. */
  readonly natsPasswords: Readonly<Record<BrokerUser, string>>;
  /** HTTP port of last time, so that links and tokens stay good over a restart. */
  port?: number;
}

/** The secrets of this data folder; made where there are none. */
export async function secretsOf(dataDir: string): Promise<Secrets> {
  const file = path.join(dataDir, 'secrets.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const kept = text === undefined ? undefined : (JSON.parse(text) as Partial<Secrets>);
  // What a folder of an older version does not have yet is made too.
  const secrets: Secrets = {
    operatorJwk: newJwk(),
    toolsJwk: newJwk(),
    natsPassword: newPassword(),
    ...kept,
    natsPasswords: { ...newPasswords(), ...kept?.natsPasswords },
  };
  await saveSecrets(dataDir, secrets);
  return secrets;
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

function newPasswords(): Record<BrokerUser, string> {
  return Object.fromEntries(brokerUsers.map((user) => [user, newPassword()])) as Record<BrokerUser, string>;
}

function newJwk(): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'ES256' };
}

/** Keeps them, and the operator's key beside them in the form that `writ` and the SDK read (WRIT_KEY_FILE). */
export async function saveSecrets(dataDir: string, secrets: Secrets): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  await writeFile(path.join(dataDir, 'secrets.json'), JSON.stringify(secrets), { mode: 0o600 });
  const key = { client_id: 'operator', jwk: secrets.operatorJwk };
  await writeFile(path.join(dataDir, 'operator.key.json'), JSON.stringify(key), { mode: 0o600 });
}

/** The half of a JWK that others may see. */
export function publicJwk({ d: _secret, ...jwk }: Record<string, unknown>): Record<string, unknown> {
  return jwk;
}
