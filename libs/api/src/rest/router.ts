import type { HttpBinding, HttpVerb } from '../contract/contract.js';
import type { Segment } from '../contract/path-template.js';

/** A binding and what it leads to. */
export interface Route<T> {
  binding: HttpBinding;
  target: T;
}

export type Match<T> =
  | { kind: 'found'; route: Route<T>; /** Decoded text of each path variable. */ values: readonly string[] }
  | { kind: 'wrong_verb'; allowed: readonly HttpVerb[] }
  | { kind: 'none' };

interface Node<T> {
  literals: Map<string, Node<T>>;
  one?: Node<T>;
  rest?: Node<T>;
  /** By `${HTTP verb} ${custom verb}`. */
  ends: Map<string, Route<T>>;
}

/**
 * Finds the binding of a path. Our own and not Fastify's router, because a template may end in `:verb` and a value may
 * hold an encoded slash or colon: the path is cut at its raw slashes first and decoded afterwards.
 */
export class Router<T> {
  private readonly root: Node<T> = node();

  /** @throws Error when the same verb and path already lead somewhere. */
  add(route: Route<T>): void {
    const { template, verb } = route.binding;
    const at = template.segments.reduce((parent, segment) => child(parent, segment), this.root);
    const key = `${verb} ${template.verb ?? ''}`;
    if (at.ends.has(key)) throw new Error(`${verb} ${template.source} is bound twice`);
    at.ends.set(key, route);
  }

  /** @param path the raw path of the URL, without the query. */
  find(verb: string, path: string): Match<T> {
    const segments = path.slice(1).split('/');
    const last = segments[segments.length - 1] as string;
    const colon = last.lastIndexOf(':');
    const allowed = new Set<HttpVerb>();
    if (colon > 0) {
      const cut = [...segments.slice(0, -1), last.slice(0, colon)];
      const match = this.lookUp(verb, cut, last.slice(colon + 1), allowed);
      if (match) return match;
    }
    const match = this.lookUp(verb, segments, '', allowed);
    if (match) return match;
    return allowed.size > 0 ? { kind: 'wrong_verb', allowed: [...allowed] } : { kind: 'none' };
  }

  private lookUp(
    verb: string,
    segments: readonly string[],
    custom: string,
    allowed: Set<HttpVerb>,
  ): Match<T> | undefined {
    const visit = (at: Node<T>, index: number): Route<T> | undefined => {
      if (index === segments.length) return end(at, verb, custom, allowed);
      const literal = at.literals.get(segments[index] as string);
      return (
        (literal && visit(literal, index + 1)) ??
        (at.one && segments[index] !== '' ? visit(at.one, index + 1) : undefined) ??
        (at.rest ? end(at.rest, verb, custom, allowed) : undefined)
      );
    };
    const route = visit(this.root, 0);
    if (!route) return undefined;
    const values = route.binding.template.variables.map(({ from, to, multiple }) => {
      const parts = segments.slice(from, multiple && to === route.binding.template.segments.length ? undefined : to);
      return decodeURIComponent(parts.join('/'));
    });
    return { kind: 'found', route, values };
  }
}

function node<T>(): Node<T> {
  return { literals: new Map(), ends: new Map() };
}

function child<T>(parent: Node<T>, segment: Segment): Node<T> {
  if (segment.kind === 'one') return (parent.one ??= node());
  if (segment.kind === 'rest') return (parent.rest ??= node());
  const found = parent.literals.get(segment.text) ?? node<T>();
  parent.literals.set(segment.text, found);
  return found;
}

function end<T>(at: Node<T>, verb: string, custom: string, allowed: Set<HttpVerb>): Route<T> | undefined {
  const route = at.ends.get(`${verb} ${custom}`);
  if (route) return route;
  for (const other of at.ends.values())
    if ((other.binding.template.verb ?? '') === custom) allowed.add(other.binding.verb);
  return undefined;
}
