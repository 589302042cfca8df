import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { exit } from '../failure/exit-code.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { ago } from '../output/text.js';

type Sandbox = Answer<typeof routes.listSandboxes>['sandboxes'][number];

const columns: readonly Column<Sandbox>[] = [
  { head: 'ID', of: ({ id }) => id },
  { head: 'NAME', of: ({ name }) => name, flexible: true },
  { head: 'STATE', of: ({ state, reason }) => (reason ? `${state} (${reason})` : state) },
  { head: 'TIER', of: ({ tier }) => tier },
  { head: 'FROM', of: ({ from }) => from, flexible: true },
  { head: 'RUN', of: ({ run }) => run, flexible: true },
  { head: 'CREATED', of: ({ createTime }) => ago(createTime) },
  { head: 'EXPIRES', of: ({ state, expireTime }) => (state === 'stopped' ? '' : ago(expireTime)) },
];

interface ListOptions {
  state?: string | undefined;
  run?: string | undefined;
  limit?: number | undefined;
  pageToken?: string | undefined;
}

export async function listSandboxes(call: Call, options: ListOptions): Promise<void> {
  const { state = '', run = '', limit: pageSize = 50, pageToken = '' } = options;
  const body = await (await call.api()).call(routes.listSandboxes, { state, run, pageSize, pageToken });
  const { sandboxes: rows, nextPageToken: more } = body;
  call.out.list(body, { rows, columns, name: ({ id }) => id, empty: 'no sandboxes', more });
}

interface ExecOptions {
  cwd?: string | undefined;
  env: string[];
  limit?: number | undefined;
  stdin: boolean;
}

/** A frame of the stream in JSON, where a `oneof` is one of its fields. */
interface ExecFrame {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly end?: { readonly exitCode: number; readonly reason: string; readonly signal: string };
}

export async function exec(call: Call, id: string, argv: string[], options: ExecOptions): Promise<number> {
  if (argv.length === 0)
    throw new Refused('cli.usage', 'there is no command', { hint: 'writ sandbox exec <id> -- ls' });
  const { cwd = '', limit = 60, stdin } = options;
  const request = {
    id,
    argv,
    cwd,
    env: Object.fromEntries(options.env.map(assignment)),
    timeout: `${limit}s`,
    effectId: `act_${randomUUID()}`,
    ...(stdin && { stdin: (await buffer(process.stdin)).toString('base64') }),
  };
  for await (const { value } of (await call.api()).stream(routes.exec, request)) {
    const frame = value as unknown as ExecFrame;
    if (call.out.machine) call.out.line(value);
    else if (frame.stdout) call.out.data(Buffer.from(frame.stdout, 'base64'));
    else if (frame.stderr) process.stderr.write(Buffer.from(frame.stderr, 'base64'));
    if (frame.end) return ended(call, frame.end);
  }
  throw new Refused('service.unavailable', 'the stream ended before the command did');
}

function ended(call: Call, { exitCode, reason, signal }: NonNullable<ExecFrame['end']>): number {
  if (reason === 'exit' && exitCode === 0) return exit.ok;
  const why = { exit: `exit code ${exitCode}`, signal: `killed by ${signal}`, oom: 'out of memory' }[reason] ?? reason;
  call.out.say(`the command failed: ${why}`);
  return exit.failed;
}

function assignment(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new Refused('cli.usage', `--env ${text} is no NAME=value`);
}
