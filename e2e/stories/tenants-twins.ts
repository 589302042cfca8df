/** Two tenants in one installation that give everything the same name; only what they write differs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { connect, tool, workflow, type Worker, type Writ } from '@writ/sdk';
import { OAuthClient } from '@writ/sdk/oauth';
import { newKeyPair, Rest, type Key } from '../demo/rest.js';
import { Upstream } from '../bench/revocation-upstream.js';
import * as z from 'zod';

const Marked = z.object({ mark: z.string() });
const note = tool({
  name: 'shelf.note',
  description: 'Keeps a note',
  effect: 'write',
  input: Marked,
  run: async ({ mark }) => ({ kept: mark }),
});

/** Touches everything that a run may touch; the mark of its tenant is in each of it. */
export const twin = workflow({
  name: 'twin',
  input: Marked,
  messages: { go: Marked },
  async run(ctx, { mark }) {
    await ctx.step('small', () => mark);
    const large = await ctx.step('large', () => `${mark}${'x'.repeat(100_000)}`);
    const kept = await ctx.call(note, { mark });
    const noted = await ctx.call('notes/note', { text: mark });
    const go = await ctx.wait('go', { timeout: '1h' });
    await ctx.ask({ title: `May ${mark} go on?`, detail: { mark }, timeout: '1h' });
    return { mark, large: large.length, kept, noted, go };
  },
});

/** What both tenants call alike. Ids that end in a lane: both tenants have theirs in one partition. */
export const same = {
  run: 'run_01980000-0000-7000-8000-0000000005a3-p07',
  revoked: 'run_01980000-0000-7000-8000-0000000005a4-p07',
  schedule: `same-schedule-${'0'.repeat(26)}-p07`,
  batch: `same-batch-${'0'.repeat(29)}-p07`,
  queue: 'same',
  scope: 'same/scope',
  effect: 'same-effect',
  artifact: 'art_same',
  question: 'what does the same scope say',
} as const;

export interface Stack {
  readonly url: string;
  readonly operator: Rest;
  /** A folder from which artifacts may be imported. */
  readonly sources: string;
}

/** One of the two. */
export class Twin implements AsyncDisposable {
  agent!: Rest;
  agentId!: string;
  oauth!: OAuthClient;
  writ!: Writ;
  worker!: Worker;
  /** A server of this tenant alone: both call theirs `notes`. */
  upstream!: Upstream;

  private constructor(
    private readonly stack: Stack,
    readonly mark: string,
    readonly tenant: string,
    readonly person: Rest,
  ) {}

  static async create(stack: Stack, mark: string, upstream: Upstream): Promise<Twin> {
    const { operator } = stack;
    const { id: tenant } = await operator.post<{ id: string }>('/v1/tenants', { name: 'Twin' });
    const { jwk, publicJwk } = newKeyPair();
    const { id } = await operator.in(tenant).post<{ id: string }>('/v1/people', {
      name: 'Ada',
      jwk: JSON.stringify(publicJwk),
      capabilities: [{ actions: ['*'] }],
    });
    const twin = new Twin(stack, mark, tenant, operator.as({ client_id: id, jwk }));
    twin.upstream = upstream;
    upstream.answer = `answered for ${mark}`;
    await twin.furnish();
    return twin;
  }

  /** The token of a run of its agent. */
  async tokenOf(run?: string, audience = 'urn:writ:api'): Promise<string> {
    const own = await this.agent.accessToken();
    if (run !== undefined) return (await this.oauth.forRun(run, own, audience)).value;
    return audience === 'urn:writ:api' ? own : (await this.oauth.own(audience)).value;
  }

  /** A sandbox of the agent, or of one of its runs. */
  async sandbox(run?: string): Promise<string> {
    const effectId = run === undefined ? same.effect : `${run}/${same.effect}`;
    const { status, body } = await this.call('POST', '/v1/sandboxes', { name: 'same', effectId }, run);
    if (status !== 200) throw new Error(`no sandbox: ${JSON.stringify(body)}`);
    return (body as { sandbox: { id: string } }).sandbox.id;
  }

  /** As the agent, whatever comes of it. */
  async call(method: string, target: string, body?: unknown, run?: string): Promise<Answered> {
    return answered(this.stack.url, await this.tokenOf(run), method, target, body);
  }

  /** As the person. */
  async ask(method: string, target: string, body?: unknown): Promise<Answered> {
    return answered(this.stack.url, await this.person.accessToken(), method, target, body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker?.[Symbol.asyncDispose]();
    await this.writ?.[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }

  private async furnish(): Promise<void> {
    const { person, mark } = this;
    const text = `// of ${mark}
permit (principal, action, resource);
permit (principal is Writ::Person, action == Writ::Action::"artifact.import", resource);`;
    await person.put('/v1/policies', { files: [{ name: 'all.cedar', text }], mode: 'POLICY_MODE_ENFORCE' });
    await this.employ();
    await this.addServer('notes');
    await this.addServer(`only-${mark}`);
    const source = this.repository();
    for (const id of [same.artifact, `art_only-${mark}`])
      await person.post('/v1/artifacts', { source, id, name: 'same' });
    await this.agent.post('/v1/memory', {
      scope: same.scope,
      text: `the same scope says ${mark}`,
      effectId: same.effect,
    });
    this.worker = await this.writ.serve({ workflows: [twin], tools: [note], queue: same.queue });
  }

  private async addServer(name: string): Promise<void> {
    const { person, upstream } = this;
    await person.post('/v1/tool-servers', { name, spec: { http: { url: upstream.url } } });
    const { tools } = await person.get<{ tools: { name: string; hash: string }[] }>(`/v1/tools?server=${name}`);
    for (const { name: each, hash } of tools) await person.post('/v1/tools:approve', { name: each, hash });
  }

  private async employ(): Promise<void> {
    const { jwk, publicJwk } = newKeyPair();
    const actions = ['run.*', 'tool.*', 'memory.*', 'sandbox.*', 'artifact.*', 'event.read', 'worker.connect'];
    const { agent } = await this.person.post<{ agent: { id: string } }>('/v1/agents', {
      name: 'worker',
      jwk: JSON.stringify(publicJwk),
      capabilities: [{ actions: [...actions, 'approval.read'] }],
    });
    const key: Key = { client_id: agent.id, jwk };
    this.agentId = agent.id;
    this.agent = this.person.as(key);
    this.oauth = new OAuthClient(`${this.stack.url}/oauth`, { clientId: agent.id, jwk: jwk as never }, fetch);
    this.writ = connect({ url: this.stack.url, token: (run) => this.tokenOf(run) });
  }

  /** A repository of the same name with a file that says whose it is. */
  private repository(): string {
    const folder = path.join(this.stack.sources, this.mark, 'same');
    mkdirSync(folder, { recursive: true });
    const git = (...args: string[]) => execFileSync('git', ['-C', folder, ...args], { stdio: 'ignore' });
    git('init', '--initial-branch=main');
    writeFileSync(path.join(folder, 'README.md'), `of ${this.mark}\n`);
    git('add', '.');
    git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'commit', '-m', `of ${this.mark}`);
    return folder;
  }
}

/** An answer over HTTP, whatever its status. */
export interface Answered {
  readonly status: number;
  readonly body: unknown;
}

export async function answered(
  url: string,
  token: string,
  method: string,
  target: string,
  body?: unknown,
): Promise<Answered> {
  const response = await fetch(`${url}${target}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: text };
  }
}
