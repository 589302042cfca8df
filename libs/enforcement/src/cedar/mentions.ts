/** Which top-level arguments an expression looks at; `'all'` when it takes them as a whole (`context.arguments == {…}`). */
export type Mentions = ReadonlySet<string> | 'all';

export const mentionsNothing: Mentions = new Set();

/**
 * Reads Cedar's JSON expressions. A decision needs only the arguments that some policy looks at: the text of a file to be
 * written never crosses into the evaluator unless a policy asks for it.
 */
export function mentionsOf(expressions: readonly unknown[]): Mentions {
  const names = new Set<string>();
  const whole = expressions.some((expression) => collect(expression, names));
  return whole ? 'all' : names;
}

export function union(mentions: readonly Mentions[]): Mentions {
  const names = new Set<string>();
  for (const each of mentions) {
    if (each === 'all') return 'all';
    for (const name of each) names.add(name);
  }
  return names;
}

/** True when the arguments are taken as a whole. */
function collect(node: unknown, names: Set<string>): boolean {
  if (Array.isArray(node)) return node.some((item) => collect(item, names));
  if (typeof node !== 'object' || node === null) return false;
  // A literal: what looks like an expression inside it is data.
  if ('Value' in node) return false;
  // Its keys are the author's: one called `Var` must not be taken for a variable.
  if ('Record' in node) return collect(Object.values(node.Record as object), names);
  if ('Var' in node) return node.Var === 'context';
  const path = accessPath(node);
  if (path !== undefined) {
    const [first, second] = path;
    if (first !== 'arguments') return false;
    if (second === undefined) return !('has' in node);
    names.add(second);
    return false;
  }
  return Object.values(node).some((member) => collect(member, names));
}

/** `['arguments', 'path']` for `context.arguments.path` and for `context has arguments.path`; undefined for anything not rooted in `context`. */
function accessPath(node: object): string[] | undefined {
  if ('Var' in node) return node.Var === 'context' ? [] : undefined;
  const access = '.' in node ? node['.'] : 'has' in node ? node.has : undefined;
  if (typeof access !== 'object' || access === null || !('left' in access) || !('attr' in access)) return undefined;
  if (typeof access.left !== 'object' || access.left === null) return undefined;
  const left = accessPath(access.left);
  return left === undefined
    ? undefined
    : [...left, ...(Array.isArray(access.attr) ? access.attr.map(String) : [String(access.attr)])];
}
