import path from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';

export const usage = `Usage: npm start -- [options]

The whole of Writ on this machine: nats-server and PostgreSQL as child processes on free loopback ports, every service in
this process. It stays up until Ctrl-C and leaves no process behind.

Options:
  --data <folder>   where state is kept (default .writ, or WRIT_DATA)
  --port <number>   port of the HTTP door, 0 for a free one (default: that of last time, or WRIT_PORT)
  --processes       every service in a process of its own
  --log <level>     trace, debug, info, warn, error or silent (default warn, or WRIT_LOG_LEVEL)
  --json            one JSON line on stdout when ready, nothing else
  --help            this text

Examples:
  npm start
  npm start -- --data /var/lib/writ --port 7070
`;

const port = z.coerce.number().int().min(0).max(65_535);

const Config = z.object({
  dataDir: z.string().min(1),
  port: port.optional(),
  processes: z.boolean(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
  json: z.boolean(),
  help: z.boolean(),
  /** A server that is already there, instead of a child process. */
  natsUrl: z.string().optional(),
  natsUser: z.string().optional(),
  natsPassword: z.string().optional(),
  postgresUrl: z.string().optional(),
  durability: z.enum(['fsync', 'flush']).optional(),
  /** Every `WRIT_…` variable, for the services: what they read of it is theirs. */
  forServices: z.record(z.string(), z.string()),
});

/** What this process was asked for, by flags first and the environment second. */
export type Config = z.infer<typeof Config>;

/** @throws Error that says which flag or variable is wrong, and how. */
export function readConfig(argv: readonly string[], env: Record<string, string | undefined>): Config {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      data: { type: 'string' },
      port: { type: 'string' },
      processes: { type: 'boolean', default: false },
      log: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const parsed = Config.safeParse({
    dataDir: path.resolve(values.data ?? env['WRIT_DATA'] ?? '.writ'),
    port: values.port ?? env['WRIT_PORT'],
    processes: values.processes,
    logLevel: values.log ?? env['WRIT_LOG_LEVEL'] ?? 'warn',
    json: values.json,
    help: values.help,
    natsUrl: env['WRIT_NATS_URL'],
    natsUser: env['WRIT_NATS_USER'],
    natsPassword: env['WRIT_NATS_PASS'],
    postgresUrl: env['WRIT_POSTGRES_URL'],
    durability: env['WRIT_DURABILITY'],
    forServices: Object.fromEntries(Object.entries(env).filter(([name, value]) => name.startsWith('WRIT_') && value)),
  });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path: [field], message }) => `${nameOf(String(field))}: ${message}`);
  throw new Error(problems.join('\n'));
}

/** What the user has written where this field stands. */
function nameOf(field: string): string {
  const names: Record<string, string> = {
    dataDir: '--data (or WRIT_DATA)',
    port: '--port (or WRIT_PORT)',
    logLevel: '--log (or WRIT_LOG_LEVEL)',
    durability: 'WRIT_DURABILITY',
  };
  return names[field] ?? field;
}
