import type { AuthorizationCall, Context, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Json } from '@writ/ledger/domain';
import type { ArgumentsType } from './argument-type.js';
import { cedarArguments, undeclaredArguments } from './cedar-value.js';
import type { Entity } from './policy.js';
import { ofServers, resourceAttributes, type PrincipalType, type ResourceType } from './vocabulary.js';

/** What is put to the policies. */
export interface PolicyRequest {
  readonly principal: Principal;
  readonly action: string;
  readonly resource: Resource;
  /** The exact arguments of the action. */
  readonly arguments: Json;
  readonly context?: RequestContext;
}

export interface Principal {
  readonly type: PrincipalType;
  readonly id: string;
  readonly tenant: string;
  readonly run?: string;
  /** How many runs stand above the one that acts. */
  readonly depth: number;
}

export interface Resource {
  readonly type: ResourceType;
  /** For a tool `<server>/<tool>`. */
  readonly id: string;
  /** Only the attributes of the vocabulary are used. */
  readonly attributes?: Readonly<Record<string, Json>>;
}

/** What a service knows about the circumstances; each becomes an attribute of Cedar's `context`. */
export interface RequestContext {
  /** Name of the workflow that the run executes. */
  readonly workflow?: string;
  /** Hash of the tool's definition as it was approved. */
  readonly pin?: string;
  readonly labels?: readonly string[];
}

/** How the arguments of a request are seen. */
export interface Seen {
  /** Of those that some policy looks at. */
  readonly type: ArgumentsType;
  readonly declared: ArgumentsType;
  /** A person has approved exactly this call. */
  readonly approved: boolean;
}

/** The request as Cedar takes it. It fits the schema that policies are checked against. @throws ArgumentMismatch, NotCanonical */
export function cedarRequest(
  request: PolicyRequest,
  seen: Seen,
): Pick<AuthorizationCall, 'principal' | 'action' | 'resource' | 'context' | 'entities'> {
  const { principal, action, resource } = request;
  return {
    principal: uid(principal.type, principal.id),
    action: uid('Action', action),
    resource: uid(resource.type, resource.id),
    context: contextOf(request, seen),
    entities: entitiesOf(request),
  };
}

function contextOf(
  { principal, context, arguments: args }: PolicyRequest,
  { type, declared, approved }: Seen,
): Context {
  const { run: id, depth } = principal;
  const { workflow, pin, labels } = context ?? {};
  return {
    approved,
    arguments: cedarArguments(type, args),
    undeclared: undeclaredArguments(declared, args),
    ...(id !== undefined && { run: { id, depth, ...(workflow !== undefined && { workflow }) } }),
    ...(pin !== undefined && { pin }),
    ...(labels !== undefined && { labels: [...labels] }),
  };
}

function uid(type: string, id: string): { type: string; id: string } {
  return { type: `Writ::${type}`, id };
}

/** The server a tool, prompt or resource belongs to; others have no parent. */
export function parentOf(resource: Pick<Resource, 'type' | 'id'>): Entity | undefined {
  return ofServers.has(resource.type)
    ? { type: 'Server', id: resource.id.slice(0, Math.max(0, resource.id.indexOf('/'))) }
    : undefined;
}

/** The entities of one decision: who acts and what on, nothing else. */
function entitiesOf({ principal, resource }: PolicyRequest): EntityJson[] {
  const parent = parentOf(resource);
  const known: Record<string, string> = parent === undefined ? {} : { server: parent.id };
  for (const name of Object.keys(resourceAttributes[resource.type])) {
    const value = resource.attributes?.[name];
    if (typeof value === 'string') known[name] = value;
  }
  const { type, ...attributes } = principal;
  return [
    { uid: uid(type, principal.id), attrs: { ...attributes }, parents: [] },
    {
      uid: uid(resource.type, resource.id),
      attrs: { ...known, id: resource.id },
      parents: parent === undefined ? [] : [uid(parent.type, parent.id)],
    },
  ];
}
