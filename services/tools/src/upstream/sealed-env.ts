import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { refuse } from '@writ/ledger/domain';
import type { ServerSpec } from '../server/server.events.js';

const SEALED = 'sealed:v1:';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Whose environment it is: a value that is moved to another server does not open there. */
interface Owner {
  readonly tenant: string;
  readonly server: string;
}

/**
 * Values of environments, as they stand in the ledger: AES-256-GCM under a key that is not there. The nonce derives from
 * the value, so that the same server added again is the same; equal values of one variable of one server can be told, no more.
 */
export class SealedEnv {
  private readonly key: Buffer;
  private readonly nonceKey: Buffer;

  /** @param secret 32 bytes, the same in every replica */
  constructor(secret: Buffer) {
    const derive = (what: string) => Buffer.from(hkdfSync('sha256', secret, '', `writ tools ${what}`, 32));
    this.key = derive('environment');
    this.nonceKey = derive('environment nonce');
  }

  seal<S extends ServerSpec>(owner: Owner, spec: S): S {
    return each(spec, (name, value) => {
      const about = aboutOf(owner, name);
      const nonce = createHmac('sha256', this.nonceKey).update(about).update('\0').update(value).digest().subarray(0, NONCE_BYTES); // prettier-ignore
      const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(about));
      const sealed = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
      return SEALED + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
    });
  }

  /** What was recorded before values were sealed is taken as it is. @throws DomainError `tools.upstream_failed` */
  open<S extends ServerSpec>(owner: Owner, spec: S): S {
    return each(spec, (name, value) => {
      if (!value.startsWith(SEALED)) return value;
      const bytes = Buffer.from(value.slice(SEALED.length), 'base64');
      try {
        const cipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, NONCE_BYTES))
          .setAAD(Buffer.from(aboutOf(owner, name)))
          .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        const opened = cipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
        return Buffer.concat([opened, cipher.final()]).toString('utf8');
      } catch {
        const why = `${name} of ${owner.server} was sealed with another secret (WRIT_TOOLS_SECRET); remove the server and add it again`;
        throw refuse('tools.upstream_failed', why);
      }
    });
  }
}

/** What is shown of a specification: names, never values. */
export function withoutValues<S extends ServerSpec>(spec: S): S {
  return each(spec, () => '');
}

function each<S extends ServerSpec>(spec: S, change: (name: string, value: string) => string): S {
  if (spec.kind !== 'stdio') return spec;
  const env = Object.entries(spec.env).map(([name, value]) => [name, change(name, value)]);
  return { ...spec, env: Object.fromEntries(env) as Record<string, string> };
}

const aboutOf = ({ tenant, server }: Owner, name: string): string => JSON.stringify([tenant, server, name]);
