/** A stack of real processes with tenants, people and agents on it, for what is told of enforcement and revocation. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { OAuthClient } from '@writ/sdk/oauth';
import { newKeyPair, Rest, type Key } from '../demo/rest.js';
import { root, startStack, type OwnStack, type StackOptions } from '../demo/stack.js';
import { Upstream } from './revocation-upstream.js';

/** Whoever calls: an agent by its own right, or in a run. */
export interface Acting {
  readonly agent: string;
  readonly tenant: string;
  readonly run?: string;
  /** For the API, and for the MCP endpoint. */
  readonly api: string;
  readonly mcp: string;
}

export interface Agent extends Acting {
  readonly key: Key;
  readonly rest: Rest;
  readonly oauth: OAuthClient;
}

/** A tenant with a person who may do everything in it, the tools `notes/note` and `notes/wait`, and a policy. */
export interface Tenant {
  readonly id: string;
  readonly person: Rest;
}

const holds = ['run.*', 'tool.*', 'memory.*', 'sandbox.*', 'event.read', 'worker.connect', 'approval.read'];
const permitAgents = 'permit (principal is Writ::Agent, action, resource);';

export class World implements AsyncDisposable {
  private constructor(
    readonly stack: OwnStack,
    readonly upstream: Upstream,
    readonly operator: Rest,
  ) {}

  /** A process for each service unless `flags` say otherwise. @param dataDir a folder of one's own */
  static async start(
    dataDir: string,
    { flags = ['--processes'], say }: Pick<StackOptions, 'flags' | 'say'> = {},
  ): Promise<World> {
    const upstream = await Upstream.start();
    try {
      const stack = await startStack(dataDir, {
        flags,
        env: {
          WRIT_TOOL_HTTP_HOSTS: upstream.host,
          WRIT_SANDBOX_MOUNTS: path.join(root, 'node_modules'),
          WRIT_TEST_POSTGRES: '',
        },
        ...(say && { say }),
      });
      return new World(stack, upstream, new Rest(stack.url, stack.operator));
    } catch (error) {
      await upstream[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return this.stack.url;
  }

  async tenant(name: string, policy = permitAgents): Promise<Tenant> {
    const { id } = await this.operator.post<{ id: string }>('/v1/tenants', { name });
    const pair = newKeyPair();
    const { id: person } = await this.operator.in(id).post<{ id: string }>('/v1/people', {
      name: 'Ada',
      jwk: JSON.stringify(pair.publicJwk),
      capabilities: [{ actions: ['*'] }],
    });
    const rest = this.operator.as({ client_id: person, jwk: pair.jwk });
    await rest.post('/v1/tool-servers', { name: 'notes', spec: { http: { url: this.upstream.url } } });
    const { tools } = await rest.get<{ tools: { name: string; hash: string }[] }>('/v1/tools?server=notes');
    for (const { name: tool, hash } of tools) await rest.post('/v1/tools:approve', { name: tool, hash });
    await rest.put('/v1/policies', { files: [{ name: 'all.cedar', text: policy }], mode: 'POLICY_MODE_ENFORCE' });
    return { id, person: rest };
  }

  async agent({ id: tenant, person }: Tenant, name: string, capabilities: readonly string[] = holds): Promise<Agent> {
    const { jwk, publicJwk } = newKeyPair();
    const { agent } = await person.post<{ agent: { id: string } }>('/v1/agents', {
      name,
      jwk: JSON.stringify(publicJwk),
      capabilities: [{ actions: capabilities }],
    });
    const key: Key = { client_id: agent.id, jwk };
    const oauth = new OAuthClient(`${this.url}/oauth`, { clientId: agent.id, jwk: jwk as never }, fetch);
    const [api, mcp] = await Promise.all([oauth.own('urn:writ:api'), oauth.own(`${this.url}/mcp`)]);
    return { agent: agent.id, tenant, key, oauth, rest: person.as(key), api: api.value, mcp: mcp.value };
  }

  /** A run of the agent that no worker serves: it waits, and has its authority. */
  async run(agent: Agent, workflow = 'idle'): Promise<Acting & { readonly run: string }> {
    const { id: run } = await agent.rest.post<{ id: string }>('/v1/runs', { workflow });
    const [api, mcp] = await Promise.all([
      agent.oauth.forRun(run, agent.api, 'urn:writ:api'),
      agent.oauth.forRun(run, agent.api, `${this.url}/mcp`),
    ]);
    return { agent: agent.agent, tenant: agent.tenant, run, api: api.value, mcp: mcp.value };
  }

  async sandbox({ api }: Acting): Promise<string> {
    const response = await fetch(`${this.url}/v1/sandboxes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'own' }),
    });
    const made = (await response.json()) as { sandbox?: { id: string }; detail?: string };
    if (!made.sandbox) throw new Error(`no sandbox: ${made.detail}`);
    return made.sandbox.id;
  }

  /** The process that serves one part of the stack. */
  pidOf(service: string): number {
    const found = processesOf(`services/${service}/dist/main.js`).find(({ parent }) => parent === this.stack.pid);
    if (!found) throw new Error(`no process of ${this.stack.pid} serves ${service}`);
    return found.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.stop();
    await this.upstream[Symbol.asyncDispose]();
  }
}

/** Processes whose command line has this in it, those inside of sandboxes too. */
export function processesOf(text: string): { pid: number; parent: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text)) return [];
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /s, '');
        return [{ pid: Number(name), parent: Number(stat.split(' ')[1]) }];
      } catch {
        return []; // it ended meanwhile
      }
    });
}
