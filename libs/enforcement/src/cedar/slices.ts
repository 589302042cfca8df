import type { Json } from '@writ/ledger/domain';
import { noArguments, typeOfValue, type ArgumentsType } from './argument-type.js';
import { loadPolicies, type Loaded } from './engine.js';
import { union, type Mentions } from './mentions.js';
import { concerns, type Policy } from './policy.js';
import { parentOf, type PolicyRequest } from './request.js';
import { fixedActions, TOOL_CALL } from './vocabulary.js';

/** The part of a policy set that can have a say on one action, ready to evaluate. */
export interface Slice {
  /** Name of the preparsed policies. */
  readonly policySet: string;
  /** Every declared argument; where nobody declared any, they are typed by their values. */
  readonly declared: ArgumentsType;
  /** Ids of the permits, for explanations. */
  readonly permits: readonly string[];
  /** Types of those arguments that some policy of the slice looks at. */
  argumentsOf(value: Json): ArgumentsType;
}

/** Names of tools come from callers: beyond this many the cache starts over. */
const MAX_SLICES = 4096;

/**
 * Cuts a policy set by action and tool. What Cedar costs is the way into WebAssembly and a scan over the policies, so a decision is
 * given few policies, tiny entities and only those arguments that these policies mention.
 */
export class Slices implements Disposable {
  private readonly cache = new Map<string, Slice>();
  private readonly byId: ReadonlyMap<string, Policy>;
  /** Many tools share the same policies. */
  private readonly policySets = new Map<string, Loaded>();

  constructor(
    private readonly policies: readonly Policy[],
    private readonly tools: ReadonlyMap<string, ArgumentsType>,
  ) {
    this.byId = new Map(policies.map((policy) => [policy.id, policy]));
  }

  policy(id: string): Policy | undefined {
    return this.byId.get(id);
  }

  of({ action, resource }: Pick<PolicyRequest, 'action' | 'resource'>): Slice {
    // Ids of other resources are too many to slice by (each run has its sandbox): there Cedar itself compares the id.
    const key = `${action}\n${resource.type}\n${resource.type === 'Tool' ? resource.id : ''}`;
    const found = this.cache.get(key);
    if (found !== undefined) return found;
    if (this.cache.size >= MAX_SLICES) this.unload();
    const slice = this.cut(action, resource);
    this.cache.set(key, slice);
    return slice;
  }

  [Symbol.dispose](): void {
    this.unload();
  }

  private cut(action: string, resource: PolicyRequest['resource']): Slice {
    const parent = parentOf(resource);
    const policies = this.policies.filter(({ scope }) =>
      resource.type === 'Tool'
        ? concerns(scope, action, { ...resource, ...(parent === undefined ? {} : { parent }) })
        : concerns(
            { ...(scope.actions === undefined ? {} : { actions: scope.actions }), ...typeOnly(scope) },
            action,
            resource,
          ),
    );
    const mentions = union(policies.map((policy) => policy.mentions));
    const declared = this.declared(action, resource);
    const permits = policies.filter(({ effect }) => effect === 'permit').map(({ id }) => id);
    const common = { policySet: this.policySet(policies), permits };
    if (declared === undefined) {
      return { ...common, declared: noArguments, argumentsOf: (value) => mentioned(inferred(value), mentions) };
    }
    const type = mentioned(declared, mentions);
    return { ...common, declared, argumentsOf: () => type };
  }

  private declared(action: string, resource: PolicyRequest['resource']): ArgumentsType | undefined {
    if (action === TOOL_CALL) return resource.type === 'Tool' ? this.tools.get(resource.id) : noArguments;
    const fixed = Object.hasOwn(fixedActions, action) ? fixedActions[action] : undefined;
    return fixed?.resources.includes(resource.type) === true ? fixed.arguments : undefined;
  }

  private policySet(policies: readonly Policy[]): string {
    const key = policies.map(({ id }) => id).join('\n');
    let loaded = this.policySets.get(key);
    if (loaded === undefined) {
      loaded = loadPolicies(Object.fromEntries(policies.map(({ id, text }) => [id, text])));
      this.policySets.set(key, loaded);
    }
    return loaded.name;
  }

  private unload(): void {
    for (const loaded of this.policySets.values()) loaded.unload();
    this.policySets.clear();
    this.cache.clear();
  }
}

/** The scope with its ids forgotten. */
function typeOnly({ resourceType, equals, within }: Policy['scope']): { resourceType?: string } {
  // What stands in a server is of another type than the server.
  const type = resourceType ?? equals?.type ?? (within?.type === 'Server' ? undefined : within?.type);
  return type === undefined ? {} : { resourceType: type };
}

function inferred(value: Json): ArgumentsType {
  const type = typeOfValue(value);
  return type.kind === 'object' ? type : noArguments;
}

function mentioned(type: ArgumentsType, mentions: Mentions): ArgumentsType {
  if (mentions === 'all') return type;
  return {
    kind: 'object',
    properties: Object.fromEntries(Object.entries(type.properties).filter(([name]) => mentions.has(name))),
  };
}
