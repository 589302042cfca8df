import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { guard } from '@writ/servers';
import { eventually, projectRoot } from '@writ/testkit';
import { startBenchBackends } from './backends.js';

/** What a program said on the line on which it said that it is ready. */
interface Ready {
  url?: string;
  httpUrl?: string;
}

/** A program in a process of its own. */
export interface Started extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** @param argv of Node @throws Error with what it wrote, when it ends before it is ready */
export async function startProgram(argv: readonly string[], env: Record<string, string> = {}): Promise<Started> {
  const child = spawn(process.execPath, argv, {
    cwd: projectRoot,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid as number;
  const release = guard(pid, 'TERM');
  const exited = new Promise<void>((resolve) => child.once('close', () => (release(), resolve())));
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => said.length < 50 && said.push(line));
  const ready = new Promise<Ready>((resolve) =>
    createInterface(child.stdout).on('line', (line) => {
      if (line.startsWith('{"ready"')) resolve((JSON.parse(line) as { ready: Ready }).ready);
    }),
  );
  const early = exited.then(() => Promise.reject(new Error(`${argv.join(' ')} ended:\n${said.join('\n')}`)));
  const { httpUrl, url = httpUrl ?? '' } = await Promise.race([ready, early]);
  early.catch(() => undefined);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  };
  return { url, pid, [Symbol.asyncDispose]: stop };
}

export interface GatewayOptions {
  readonly durability: 'fsync' | 'flush';
  /** Cedar policies of `tnt_1`. */
  readonly policies: string;
  /** An MCP server, and what it may ask of clients; all that it offers is approved. */
  readonly server: { name: string; url: string; mayAsk?: readonly string[] };
  readonly env?: Record<string, string>;
}

/** The tool gateway and the policy service as they are deployed, each in a process of its own; identity is a stand-in. */
export interface ToolGateway extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Of `agt_1`, good for an hour at the MCP endpoint and for everything there. */
  token(): Promise<string>;
}

export async function startToolGateway(options: GatewayOptions): Promise<ToolGateway> {
  const stack = new AsyncDisposableStack();
  try {
    const { durability, server } = options;
    const backends = stack.use(await startBenchBackends(durability));
    const { identity } = backends;
    const env = {
      ...backends.env,
      WRIT_TOOL_HTTP_HOSTS: new URL(server.url).host,
      WRIT_OUTBOUND_ALLOW: new URL(server.url).host,
      ...options.env,
    };
    const policy = stack.use(await startProgram(['services/policy/dist/main.js'], env));
    const tools = stack.use(await startProgram(['services/tools/dist/main.js'], env));
    const person = await identity.token({ sub: 'psn_1', kind: 'person' });
    await connect(tools.url, server, person);
    const files = [{ name: 'bench.cedar', text: options.policies }];
    await eventually(async () => (await rest(policy.url, 'PUT', '/v1/policies', person, { files })) !== undefined, {
      what: 'the policies are taken',
    });
    const audience = `${env['WRIT_PUBLIC_URL' as keyof typeof env] ?? new URL(identity.issuer).origin}/mcp`;
    const whole = stack.move();
    return {
      url: tools.url,
      pid: tools.pid,
      token: () =>
        identity.token({
          aud: audience,
          exp: Math.floor(Date.now() / 1000) + 3_600,
          authorization_details: [{ type: 'writ', actions: ['tool.call', 'prompt.get', 'resource.read'] }],
        }),
      [Symbol.asyncDispose]: () => whole.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function connect(base: string, { name, url, mayAsk = [] }: GatewayOptions['server'], token: string) {
  const added = await eventually(
    () => rest(base, 'POST', '/v1/tool-servers', token, { name, spec: { http: { url }, may_ask: mayAsk } }),
    { what: 'the server is added', timeoutMs: 60_000 },
  );
  for (const tool of (added as { tools: { name: string; hash: string }[] }).tools)
    await rest(base, 'POST', '/v1/tools:approve', token, { name: tool.name, hash: tool.hash });
}

async function rest(base: string, method: string, route: string, token: string, body: object): Promise<object> {
  const answer = await fetch(`${base}${route}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const said = (await answer.json()) as object;
  if (!answer.ok) throw new Error(`${method} ${route}: ${JSON.stringify(said)}`);
  return said;
}
