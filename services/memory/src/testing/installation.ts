import { TestIdentity, type TestClaims } from '@writ/enforcement/testing';
import { Ledger } from '@writ/ledger';
import type { LedgerEvent } from '@writ/ledger/domain';
import type { RunningService } from '@writ/platform';
import { eventually, startBackends, startProcess, type Backends, type ProjectProcess } from '@writ/testkit';
import { start } from '../service.js';

/** What a call of the API gave back. */
export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

interface Parts {
  readonly backends: Backends;
  readonly ledger: Ledger;
  readonly identity: TestIdentity;
  readonly policy: ProjectProcess;
  readonly policyUrl: string;
}

/** Memory on real servers, with the real policy service beside it in a process of its own. */
export class Installation implements AsyncDisposable {
  private constructor(
    private readonly parts: Parts,
    private memory: RunningService,
  ) {}

  static async start(): Promise<Installation> {
    const backends = await startBackends();
    const ledger = await Ledger.connect({ servers: backends.nats.url });
    const identity = await TestIdentity.start(ledger);
    const policy = startProcess('services/policy/src/main.ts', { env: environment(backends, identity) });
    const [, line] = await policy.line(/^(\{"ready".*)$/, 40_000);
    const { ready } = JSON.parse(line as string) as { ready: { httpUrl: string } };
    const parts = { backends, ledger, identity, policy, policyUrl: ready.httpUrl };
    return new Installation(parts, await startMemory(parts));
  }

  get ledger(): Ledger {
    return this.parts.ledger;
  }

  get postgresUrl(): string {
    return this.parts.backends.postgresUrl;
  }

  /** Stops memory, does something without it, and starts it again. */
  async withoutMemory(act: () => Promise<void>): Promise<void> {
    await this.memory.stop();
    await act();
    this.memory = await startMemory(this.parts);
  }

  /** Makes these policies active in the tenant, by the API of the policy service, and waits until memory decides by them. */
  async push(text: string, tenant = 'tnt_1'): Promise<void> {
    const files = { files: [{ name: 'test.cedar', text }], mode: 'POLICY_MODE_ENFORCE' };
    const claims = { tenant, sub: 'psn_1', kind: 'person' as const };
    const { status, body } = await this.send(this.parts.policyUrl, 'PUT', '/v1/policies', files, claims);
    if (status !== 200) throw new Error(JSON.stringify(body));
    const commit = Number(String(body['position']).split('/')[2]);
    const known = async () => {
      const { enforcement } = (await (await fetch(`${this.memory.httpUrl}/health/ready`)).json()) as {
        enforcement: { policyPosition: string };
      };
      return Number(enforcement.policyPosition.split('/')[2]) >= commit;
    };
    await eventually(known, { what: 'the policies have arrived' });
  }

  /** One REST call of memory, by default of an agent of `tnt_1` whose token is good for everything. */
  call(method: string, route: string, body?: object, claims: TestClaims = {}): Promise<Answer> {
    return this.send(this.memory.httpUrl, method, route, body, claims);
  }

  /** Everything of one type in memory's ledger. */
  async events(type: string): Promise<LedgerEvent[]> {
    const all: LedgerEvent[] = [];
    for (let partition = 0; partition < 4; partition++)
      for await (const { events } of this.ledger.read('memory', partition)) all.push(...events);
    return all.filter((event) => event.type === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { backends, ledger, identity, policy } = this.parts;
    await this.memory.stop();
    await policy.stop();
    await identity.stop();
    await ledger.drain();
    await backends.stop();
  }

  private async send(
    url: string,
    method: string,
    route: string,
    body: object | undefined,
    claims: TestClaims,
  ): Promise<Answer> {
    const response = await fetch(`${url}${route}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.parts.identity.token(claims)}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  }
}

function environment(backends: Backends, identity: TestIdentity): Record<string, string> {
  return {
    WRIT_NATS_URL: backends.nats.url,
    WRIT_POSTGRES_URL: backends.postgresUrl,
    WRIT_ISSUER: identity.issuer,
    WRIT_LOG_LEVEL: 'silent',
    WRIT_GRACE_MS: '200',
  };
}

async function startMemory({ backends, identity }: Parts): Promise<RunningService> {
  const memory = await start(environment(backends, identity));
  await eventually(async () => (await fetch(`${memory.httpUrl}/health/ready`)).status === 200, { what: 'it is ready' });
  return memory;
}
