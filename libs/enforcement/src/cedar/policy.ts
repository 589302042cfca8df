import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { mentionsOf, type Mentions } from './mentions.js';
import { durationMs } from './duration.js';

/** One Cedar policy with what Writ reads from its scope and annotations. */
export interface Policy {
  /** `@id`, else `<file>#<number in the file>`. Unique in a set. */
  readonly id: string;
  readonly file: string;
  readonly text: string;
  /** Line of the file on which the policy starts, from 1. */
  readonly line: number;
  readonly effect: 'permit' | 'forbid';
  /** `@reason`: what to tell whom it concerns. */
  readonly reason?: string;
  /** `@ask`: permitted only with a person's approval. */
  readonly ask?: Ask;
  readonly scope: Scope;
  readonly mentions: Mentions;
}

export interface Ask {
  readonly title: string;
  /** `psn_…` or `group:…`, from `@approvers`. Empty: whoever holds `approval.decide`. */
  readonly approvers: readonly string[];
  /** How long a person has to decide, from `@expires` such as `"30m"`. */
  readonly expiresMs: number;
}

/** A day: longer than a working day, so that a question asked in the evening is still open in the morning. */
export const DEFAULT_EXPIRY_MS = 86_400_000;

/** What a policy's head says about actions and resources; absent = any. Types are without their namespace. */
export interface Scope {
  readonly actions?: readonly string[];
  readonly resourceType?: string;
  readonly equals?: Entity;
  readonly within?: Entity;
}

export interface Entity {
  readonly type: string;
  readonly id: string;
}

/** A policy cannot be used, with the reason in words. */
export class UnusablePolicy extends Error {
  override readonly name = 'UnusablePolicy';
}

/** @throws UnusablePolicy for an annotation or a scope that Writ cannot honour. */
export function readPolicy(json: PolicyJson, at: { file: string; number: number; text: string; line: number }): Policy {
  const annotations = json.annotations ?? {};
  const asks = 'ask' in annotations;
  if (asks && json.effect === 'forbid')
    throw new UnusablePolicy('@ask stands on a forbid; only a permit can wait for an approval');
  if (!asks && ('approvers' in annotations || 'expires' in annotations))
    throw new UnusablePolicy('@approvers and @expires need @ask on the same policy');
  return {
    id: annotations['id'] || `${at.file}#${at.number}`,
    file: at.file,
    text: at.text,
    line: at.line,
    effect: json.effect,
    ...(annotations['reason'] ? { reason: annotations['reason'] } : {}),
    ...(asks ? { ask: readAsk(annotations) } : {}),
    scope: readScope(json),
    mentions: mentionsOf(json.conditions.map((clause) => clause.body)),
  };
}

function readAsk(annotations: Readonly<Record<string, string>>): Ask {
  const approvers = (annotations['approvers'] ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const wrong = approvers.find((each) => !/^(psn_|opr_|group:).+/.test(each));
  if (wrong !== undefined)
    throw new UnusablePolicy(`@approvers names "${wrong}"; write psn_… for a person or group:… for a group`);
  const expires = annotations['expires'];
  const expiresMs = expires === undefined ? DEFAULT_EXPIRY_MS : durationMs(expires);
  if (expiresMs === undefined)
    throw new UnusablePolicy(`@expires("${expires}") is not a duration such as "30m", "24h" or "7d"`);
  return { title: annotations['ask'] ?? '', approvers, expiresMs };
}

function readScope({ action, resource }: PolicyJson): Scope {
  return { ...readActions(action), ...readResource(resource) };
}

function readActions(action: PolicyJson['action']): Pick<Scope, 'actions'> {
  if (action.op === 'All') return {};
  if ('entity' in action) return { actions: [entityOf(action.entity).id] };
  if ('entities' in action) return { actions: action.entities.map((each) => entityOf(each).id) };
  throw new UnusablePolicy('templates (?principal, ?resource) are not supported');
}

function readResource(resource: PolicyJson['resource']): Omit<Scope, 'actions'> {
  switch (resource.op) {
    case 'All':
      return {};
    case 'is': {
      const inside = resource.in === undefined ? undefined : concrete(resource.in);
      return { resourceType: plain(resource.entity_type), ...(inside === undefined ? {} : { within: inside }) };
    }
    case '==':
      return { equals: concrete(resource) };
    case 'in':
      return { within: concrete(resource) };
  }
}

function concrete(constraint: object): Entity {
  if (!('entity' in constraint)) throw new UnusablePolicy('templates (?principal, ?resource) are not supported');
  return entityOf(constraint.entity as EntityJson);
}

type EntityJson = { type: string; id: string } | { __entity: { type: string; id: string } };

function entityOf(json: EntityJson): Entity {
  const { type, id } = '__entity' in json ? json.__entity : json;
  return { type: plain(type), id };
}

function plain(type: string): string {
  return type.replace(/^Writ::/, '');
}

/** Whether the head of a policy lets it have a say on this action and resource. The conditions are Cedar's to evaluate. */
export function concerns(scope: Scope, action: string, resource: Entity & { readonly parent?: Entity }): boolean {
  if (scope.actions !== undefined && !scope.actions.includes(action)) return false;
  if (scope.resourceType !== undefined && scope.resourceType !== resource.type) return false;
  if (scope.equals !== undefined && !same(scope.equals, resource)) return false;
  return (
    scope.within === undefined ||
    same(scope.within, resource) ||
    (resource.parent !== undefined && same(scope.within, resource.parent))
  );
}

function same(a: Entity, b: Entity): boolean {
  return a.type === b.type && a.id === b.id;
}
