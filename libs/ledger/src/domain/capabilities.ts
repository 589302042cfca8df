/**
 * One entry of a token's `authorization_details` (RFC 9396). A pattern is a literal, or a prefix that ends in `*`.
 * No `resources` means every resource; an empty list means none.
 */
export interface Capability {
  type: 'writ';
  actions: readonly string[];
  resources?: readonly string[];
}

/** Whether a name is the pattern's literal, or begins with its prefix. */
function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Whether everything that `child` matches is matched by `parent`. The star of a prefix is not part of it: `a*` is not in `a**`. */
function inside(child: string, parent: string): boolean {
  if (!child.endsWith('*')) return matches(child, parent);
  return parent.endsWith('*') && child.slice(0, -1).startsWith(parent.slice(0, -1));
}

const everything: readonly string[] = ['*'];

function grants(parent: Capability, action: string, resource: string): boolean {
  return (
    parent.actions.some((pattern) => inside(action, pattern)) &&
    (parent.resources ?? everything).some((pattern) => inside(resource, pattern))
  );
}

/**
 * Whether a delegation stays inside what the delegator holds: each action on each resource of `child` must lie inside
 * one entry of `parent`. `missing` is the first that does not.
 */
export function covers(
  parent: readonly Capability[],
  child: readonly Capability[],
): { ok: true } | { ok: false; missing: Capability } {
  for (const entry of child)
    for (const action of entry.actions)
      for (const resource of entry.resources ?? everything)
        if (!parent.some((holder) => grants(holder, action, resource))) {
          const missing: Capability = { type: 'writ', actions: [action] };
          return { ok: false, missing: entry.resources ? { ...missing, resources: [resource] } : missing };
        }
  return { ok: true };
}

/** Whether a grant allows an action on a resource; without a resource, on any resource at all. */
export function permits(grant: readonly Capability[], action: string, resource?: string): boolean {
  return grant.some(
    (entry) =>
      entry.actions.some((pattern) => matches(action, pattern)) &&
      (resource === undefined
        ? entry.resources?.length !== 0
        : (entry.resources ?? everything).some((pattern) => matches(resource, pattern))),
  );
}
