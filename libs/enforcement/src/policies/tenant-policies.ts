import type { LedgerEvent } from '@writ/ledger/domain';
import { argumentsOfSchema, type ArgumentsType } from '../cedar/argument-type.js';
import { Evaluator } from '../cedar/evaluator.js';
import { readPolicies, type PolicyFile } from '../cedar/policy-files.js';
import type { Policy } from '../cedar/policy.js';
import type { PolicyRequest } from '../cedar/request.js';
import { denied, type Verdict } from '../cedar/verdict.js';
import type { Decided } from '../pipeline/ports.js';
import type { PolicyMode, PolicySetEvent, ToolSchemaEvent } from './policy.events.js';

/** The active policies and the tools of one tenant, built up from its events. */
export class TenantPolicies implements Disposable {
  private readonly files = new Map<string, readonly PolicyFile[]>();
  private readonly types = new Map<string, ArgumentsType>();
  private active: { version: string; mode: PolicyMode } | undefined;
  private parsed: readonly Policy[] | undefined;
  private evaluator: Evaluator | undefined;

  /** The argument types of registered tools by `<server>/<tool>`. */
  get tools(): ReadonlyMap<string, ArgumentsType> {
    return this.types;
  }

  /** Content hash of the active set; empty when there is none. */
  get version(): string {
    return this.active?.version ?? '';
  }

  apply({ type, data }: Pick<LedgerEvent, 'type' | 'data'>): void {
    const event = { type, data } as unknown as PolicySetEvent | ToolSchemaEvent;
    switch (event.type) {
      case 'policy_set.pushed.v1':
        this.files.set(event.data.version, event.data.files);
        return;
      case 'policy_set.activated.v1':
        this.activate(event.data.version, event.data.mode);
        return;
      case 'tool_schema.registered.v1':
        this.types.set(event.data.tool, argumentsOfSchema(event.data.inputSchema));
        this.changed();
        return;
      case 'tool_schema.removed.v1':
        this.types.delete(event.data.tool);
        this.changed();
        return;
      default:
        return;
    }
  }

  decide(request: PolicyRequest): Decided {
    if (this.active === undefined) return withoutPolicies(request);
    const evaluator = (this.evaluator ??= new Evaluator(this.policies(this.active.version), this.types));
    const verdict = evaluator.decide(request);
    return { verdict, approved: () => evaluator.decide(request, true), ...this.active };
  }

  [Symbol.dispose](): void {
    this.evaluator?.[Symbol.dispose]();
    this.evaluator = undefined;
  }

  private activate(version: string, mode: PolicyMode): void {
    const before = this.active;
    this.active = { version, mode };
    if (before?.version === version) return;
    // An older version that comes back brings its files again, so only those of the active one are kept.
    for (const other of [...this.files.keys()]) if (other !== version) this.files.delete(other);
    this.parsed = undefined;
    // Where decisions are being taken the text is parsed now, not when the next one waits for it.
    if (this.evaluator !== undefined) this.policies(version);
    this.changed();
  }

  /** Decisions are synchronous, so none is under way: the next one sees the new policies and tools as a whole. */
  private changed(): void {
    this[Symbol.dispose]();
  }

  private policies(version: string): readonly Policy[] {
    return (this.parsed ??= readPolicies(this.files.get(version) ?? []).policies);
  }
}

/** The answer for a tenant that has no policies: nothing is permitted. */
export function withoutPolicies({ action, resource }: PolicyRequest): Decided {
  const verdict: Verdict = denied(
    'policy.no_policies',
    `the tenant has no policies, so nothing permits ${action} on ${resource.type} ${resource.id}`,
  );
  return { verdict, approved: () => verdict, version: '', mode: 'enforce' };
}
