import type { CommandClient } from '@writ/ledger';
import {
  aggregates,
  DomainError,
  refuse,
  type AnyAggregate,
  type Command,
  type Json,
  type LedgerEvent,
} from '@writ/ledger/domain';
import { actionAggregate } from '../action/action.js';
import { approvalOf } from '../approvals/approvals.js';
import { TenantPolicies } from '../policies/tenant-policies.js';
import type { Cost } from './budgets.js';
import { Effects } from './effects.js';
import { Pipeline } from './pipeline.js';
import type { ActingCaller, ActionRequest } from './request.js';
import { Running } from './running.js';

/** The owner of one partition in memory, for tests of what sends commands. */
export class MemoryOwner implements CommandClient {
  readonly events: LedgerEvent[] = [];
  /** Set to make every command fail with it. */
  failing: DomainError | undefined;
  private readonly model;

  constructor(list: readonly AnyAggregate[]) {
    this.model = aggregates(list)();
  }

  send(outgoing: Parameters<CommandClient['send']>[0]) {
    if (this.failing !== undefined) return Promise.reject(this.failing);
    try {
      const command: Command = { id: 'cmd', time: new Date().toISOString(), ...outgoing };
      const events = this.model.decide(command).map(
        (draft) => ({ ...command, subject: outgoing.subject, ...(JSON.parse(JSON.stringify(draft)) as object), source: 'test/00', id: 'evt', cause: 'cmd' }) as unknown as LedgerEvent, // prettier-ignore
      );
      for (const event of events) this.model.evolve(event, { commit: this.events.length + 1, index: 0 });
      this.events.push(...events);
      return Promise.resolve({ position: `test/00/${this.events.length}/0`, events, duplicate: false });
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** `type code` of every event so far. */
  get told(): string[] {
    return this.events.map(({ type, data }) => {
      const { code, ok } = data as { code?: string; ok?: boolean };
      return [type, code, ok === false ? 'failed' : undefined].filter((part) => part !== undefined).join(' ');
    });
  }
}

/** Approvals in memory: what a person answered, by approval id. */
class MemoryApprovals {
  readonly asked: { approval: string; expires: string; detail: Json; approvers: readonly string[] }[] = [];
  readonly answers = new Map<string, 'approve' | 'approval.denied' | 'approval.expired'>();

  consume(_by: unknown, approval: string): Promise<void> {
    const answer = this.answers.get(approval);
    if (answer === 'approve') return Promise.resolve();
    const known = this.asked.some((each) => each.approval === approval);
    return Promise.reject(refuse(answer ?? (known ? 'approval.undecided' : 'approval.not_found'), 'not yet'));
  }

  request(
    _by: unknown,
    approval: string,
    command: { expires: string; detail: Json; approvers: readonly string[] },
  ): Promise<string | undefined> {
    const again = this.asked.some((each) => each.approval === approval);
    this.asked.push({ approval, expires: command.expires, detail: command.detail, approvers: command.approvers });
    return Promise.resolve(again ? undefined : command.expires);
  }
}

/** A request whose outcome may be of any type. */
export type BareRequest = Omit<ActionRequest<never>, 'summary'>;

export const POLICIES = `
  @id("reports") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"files/write") when { context.arguments.path like "out/*" };
  @id("public") @ask("Publish?") @approvers("group:editors") permit(principal, action == Writ::Action::"tool.call", resource == Writ::Tool::"web/publish");
  @id("memory") permit(principal, action == Writ::Action::"memory.read", resource);`;

/** A pipeline over memory, with everything that a test may turn. */
export function pipelineFixture(mode: 'enforce' | 'log-only' = 'enforce') {
  const owner = new MemoryOwner([actionAggregate]);
  const approvals = new MemoryApprovals();
  const policies = new TenantPolicies();
  const use = (text: string, version: string) => {
    policies.apply({ type: 'policy_set.pushed.v1', data: { version, files: [{ name: 'p', text }], policies: 1 } });
    policies.apply({ type: 'policy_set.activated.v1', data: { version, mode, policies: 1 } });
  };
  use(POLICIES, 'v1');
  const trusted = { revoked: false, unknown: false, budget: undefined as string | undefined };
  const charged: [account: string, effectId: string, cost: Cost][] = [];
  const budgets = { left: Infinity };
  const running = new Running();
  const gone = new Set<string>();
  const make = (id: string) =>
    new Pipeline({
      effects: new Effects(owner),
      approvals,
      budgets: {
        charge: (_caller, account, effectId, cost) => {
          if (charged.some(([, id]) => id === effectId)) return Promise.resolve();
          if (budgets.left < 1) return Promise.reject(refuse('run.budget_exhausted', 'used up', { account }));
          budgets.left--;
          charged.push([account, effectId, cost]);
          return Promise.resolve();
        },
      },
      policies: { decide: (_tenant, request) => policies.decide(request) },
      running: id === 'enf_1' ? running : new Running(),
      holder: {
        id,
        isGone: (holder) => Promise.resolve(holder === id || holder.startsWith('worker:') || gone.has(holder)),
      },
      trust: {
        epoch: 7,
        check: () => {
          if (trusted.unknown) return Promise.reject(refuse('auth.revocation_unknown', 'nothing heard'));
          if (trusted.revoked) return Promise.reject(refuse('auth.revoked', 'agt_1 was revoked'));
          return Promise.resolve({
            lost: () => (trusted.revoked ? refuse('auth.revoked', 'agt_1 was revoked') : undefined),
            budget: trusted.budget,
          });
        },
      },
    });
  return { owner, approvals, use, trusted, charged, budgets, running, gone, make, pipeline: make('enf_1') };
}

export function callerNamed(principal = 'agt_1', over: Partial<ActingCaller> = {}): ActingCaller {
  return {
    tenant: 'tnt_1',
    principal,
    kind: 'agent',
    actor: { principal, kind: 'agent' },
    grant: [{ type: 'writ', actions: ['*'] }],
    tokenId: 'tok_1',
    rawToken: '',
    ...over,
  };
}

export function write(path: string, over: Partial<BareRequest> = {}): BareRequest {
  return {
    caller: callerNamed(),
    action: 'tool.call',
    resource: { type: 'Tool', id: 'files/write' },
    arguments: { path },
    effectId: 'e1',
    ...over,
  };
}

export function publish(over: Partial<BareRequest> = {}): BareRequest {
  return write('out/a', { resource: { type: 'Tool', id: 'web/publish' }, ...over });
}

export { approvalOf };
