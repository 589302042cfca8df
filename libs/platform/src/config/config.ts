import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { AllowList } from '../outbound/allow-list.js';

const port = z.coerce.number().int().min(0).max(65_535);

/**
 * What every service reads from its environment. The keys are the names of the variables, so that a name is found the
 * same way in code, compose files and docs. A service adds its own: `BaseConfig.extend({ WRIT_X: … })`.
 */
export const BaseConfig = z.object({
  /** `nats://host:port`, more separated by commas. */
  WRIT_NATS_URL: z.string().min(1),
  WRIT_NATS_USER: z.string().optional(),
  WRIT_NATS_PASS: z.string().optional(),
  /** Copies of each stream, where the broker is a cluster: 3 of three servers. */
  WRIT_STREAM_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  /** `postgres://user:password@host:port/database`; each service has its own schema in it. */
  WRIT_POSTGRES_URL: z.string().min(1),
  /** The address to listen on. */
  WRIT_HOST: z.string().default('127.0.0.1'),
  /** What other services are told instead of `WRIT_HOST`; default: that, or this machine's name where that is a wildcard. */
  WRIT_ADVERTISE_HOST: z.string().optional(),
  /** 0: any free port. */
  WRIT_HTTP_PORT: port.default(0),
  /** 0: any free port. */
  WRIT_GRPC_PORT: port.default(0),
  /** Names this process among the replicas of its service; default: a new id. */
  WRIT_REPLICA: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional(),
  /** The issuer of tokens: the public URL of identity's authorization server. */
  WRIT_ISSUER: z.url(),
  /** Where this process reaches the issuer, if not at its public URL; default: that. */
  WRIT_ISSUER_ADDRESS: z.url().optional(),
  /** Base of the URLs that the outside uses, when something stands in front. */
  WRIT_PUBLIC_URL: z.url().optional(),
  /**
   * Names under which this service is called, separated by commas, beside those of the URLs above, addresses and names
   * without a dot. Requests for any other are refused: a page whose name was made to lead here would say it.
   */
  WRIT_HOSTS: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((each) => each.trim() || [])),
  /** What tokens must be made for (RFC 8707). */
  WRIT_AUDIENCE: z.string().default('urn:writ:api'),
  /** A folder for what is not in the ledger or in Postgres. */
  WRIT_DATA: z.string().default('.writ'),
  WRIT_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Base URL of an OpenTelemetry collector (OTLP over HTTP), such as `http://127.0.0.1:4318`; absent: no export. */
  WRIT_OTLP_URL: z.url().optional(),
  /**
   * What addresses given by tenants may lead to beside the public internet: networks, addresses and names, each with a port
   * or for every port, separated by commas: `10.0.0.0/8,127.0.0.1:3000,mcp.internal:8080`. Empty: nothing.
   */
  WRIT_OUTBOUND_ALLOW: z
    .string()
    .default('')
    .transform((text, context) => {
      const entries = text.split(',').flatMap((each) => each.trim() || []);
      try {
        new AllowList(entries);
      } catch (error) {
        context.addIssue((error as Error).message);
      }
      return entries;
    }),
  /** What whoever started the broker says that it does: it cannot be asked. */
  WRIT_DURABILITY: z.enum(['fsync', 'flush']).default('flush'),
  /** How long requests in flight may take to finish when the process is told to stop. */
  WRIT_GRACE_MS: z.coerce.number().int().min(0).default(10_000),
});
export type BaseConfig = z.infer<typeof BaseConfig>;

/**
 * Reads a service's configuration. An empty variable counts as absent. Instead of a value, `<NAME>_FILE` may name the file that
 * holds it, as a secret should.
 * @throws Error that names every variable that is missing or wrong; never with a value, which may be a secret.
 */
export function readConfig<S extends z.ZodType>(schema: S, env: Record<string, string | undefined>): z.infer<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  if (schema instanceof z.ZodObject)
    for (const name of Object.keys(schema.shape)) {
      const file = given[`${name}_FILE`];
      if (file !== undefined) given[name] = contentOf(`${name}_FILE`, file);
    }
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`the environment is not complete:\n${problems.join('\n')}`);
}

function contentOf(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new Error(`${name} names a file that cannot be read: ${(cause as Error).message}`, { cause });
  }
}
