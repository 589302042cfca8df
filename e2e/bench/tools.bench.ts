import { readFile } from 'node:fs/promises';
import { Agent, request as send } from 'node:http';
import path from 'node:path';
import { projectRoot } from '@writ/testkit';
import { defineBench, quantile, type Measurement } from './bench.js';
import { startProgram, startToolGateway } from './tool-gateway.js';

const IN_FLIGHT = 64;
const POLICIES = 100;
const CALLS_ALONE = 500;
const CALLS = 4_000;

interface Prepared extends AsyncDisposable {
  readonly upstream: Target;
  readonly gateway: Target;
  readonly pid: number;
}

interface Target {
  readonly url: string;
  readonly tool: string;
  readonly authorization?: string;
}

export const bench = defineBench<Prepared>({
  name: 'tools',
  about:
    'calls of a tool over MCP (2026-07-28) through the gateway: token, pin, schema, policy, durable intent and outcome, a real server over HTTP',
  doesNotMeasure: [
    'a gateway on a machine of its own: nats-server, PostgreSQL, policy, the MCP server and the clients share these cores',
    'the verification of a token that was not seen before (about 0.1 ms)',
  ],
  targets: { toolCallsPerSecond64: { atLeast: 800 } },
  prepare,
  async run(_conditions, { upstream, gateway, pid }): Promise<Measurement[]> {
    const direct = await measure(upstream, CALLS);
    await measure(gateway, 2_000);
    const alone = (await measure(gateway, CALLS_ALONE, 1)).times;
    const before = await cpuMs(pid);
    const through = await measure(gateway, CALLS);
    const cpu = (await cpuMs(pid)) - before;
    return [
      { name: 'aloneP50Ms', value: quantile(alone, 0.5), unit: 'ms' },
      { name: 'aloneP99Ms', value: quantile(alone, 0.99), unit: 'ms' },
      { name: 'toolCallsPerSecond64', value: through.perSecond, unit: 'calls/s' },
      { name: 'toolCallP50Ms64', value: quantile(through.times, 0.5), unit: 'ms' },
      { name: 'toolCallP99Ms64', value: quantile(through.times, 0.99), unit: 'ms' },
      { name: 'gatewayCpuMsPerCall', value: cpu / CALLS, unit: 'ms' },
      { name: 'upstreamAlonePerSecond64', value: direct.perSecond, unit: 'calls/s' },
    ];
  },
});

async function measure(target: Target, calls: number, inFlight = IN_FLIGHT) {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const times: number[] = [];
  let left = calls;
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      const begin = performance.now();
      await call(target, agent);
      times.push(performance.now() - begin);
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: inFlight }, caller));
  const perSecond = (calls * 1_000) / (performance.now() - begin);
  agent.destroy();
  return { perSecond, times: times.sort((a, b) => a - b) };
}

let id = 0;

/** One call, raw: a client of the SDK costs more than the gateway. */
function call({ url, tool, authorization }: Target, agent: Agent): Promise<void> {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: ++id,
    method: 'tools/call',
    params: {
      name: tool,
      arguments: { path: 'out/report.md', size: 5, content: 'x'.repeat(500) },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': tool,
    ...(authorization !== undefined && { authorization }),
  };
  return new Promise((resolve, reject) => {
    const request = send(url, { method: 'POST', agent, headers }, (response) => {
      let said = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (said += text));
      response.on('end', () => {
        const done = response.statusCode === 200 && said.includes('written') && !said.includes('"isError":true');
        if (done) resolve();
        else reject(new Error(`${response.statusCode} ${said.slice(0, 500)}`));
      });
    });
    request.once('error', reject);
    request.end(body);
  });
}

/** Of a process and its threads, user and system. */
async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** A hundred, of which seven speak of the tool that is called. */
function policies(): string {
  const call = 'action == Writ::Action::"tool.call"';
  const some = Array.from({ length: POLICIES - 7 }, (_, index) => {
    const tool = `other${index % 4}/tool${index % 19}`;
    return `@id("other-${index}") permit(principal is Writ::Agent, ${call}, resource == Writ::Tool::"${tool}") when { context.arguments.size < ${index} };`;
  });
  const limits = [1, 2, 3, 4].map(
    (n) =>
      `@id("limit-${n}") forbid(principal, ${call}, resource in Writ::Server::"up") when { context.arguments.size > ${n * 1_000_000} };`,
  );
  return [
    ...some,
    ...limits,
    `@id("depth") forbid(principal, ${call}, resource in Writ::Server::"up") when { principal.depth > 5 };`,
    `@id("keys") forbid(principal, ${call}, resource) when { context.arguments.path like "*.key" };`,
    `@id("write") permit(principal is Writ::Agent, ${call}, resource == Writ::Tool::"up/write") when { context.arguments.path like "out/*" };`,
  ].join('\n');
}

async function prepare({ durability }: { durability: 'fsync' | 'flush' }): Promise<Prepared> {
  const stack = new AsyncDisposableStack();
  try {
    const loader = path.join(projectRoot, 'infra/typescript.mjs');
    const upstream = stack.use(
      await startProgram(['--import', loader, path.join(import.meta.dirname, 'tools-upstream.ts')]),
    );
    const server = { name: 'up', url: upstream.url };
    const gateway = stack.use(await startToolGateway({ durability, policies: policies(), server }));
    const authorization = `Bearer ${await gateway.token()}`;
    const whole = stack.move();
    return {
      upstream: { url: upstream.url, tool: 'write' },
      gateway: { url: `${gateway.url}/mcp`, tool: 'up.write', authorization },
      pid: gateway.pid,
      [Symbol.asyncDispose]: () => whole.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
