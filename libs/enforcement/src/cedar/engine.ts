import { preparsePolicySet, type DetailedError } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * Cedar keeps preparsed sets in a table inside its WebAssembly memory and offers no way to take one out. Names are
 * therefore borrowed: a name given back is overwritten with nothing and lent again, so a tenant that changes its policies
 * a thousand times costs the memory of two.
 */
const free: string[] = [];
let names = 0;

/** Policies that Cedar cannot parse. */
export class CedarError extends Error {
  override readonly name = 'CedarError';
  constructor(readonly errors: readonly DetailedError[]) {
    super(errors.map((error) => error.message).join('; '));
  }
}

/** Preparsed policies, by id. @throws CedarError */
export function loadPolicies(policies: Readonly<Record<string, string>>): Loaded {
  const name = free.pop() ?? `p${names++}`;
  const answer = preparsePolicySet(name, { staticPolicies: policies });
  if (answer.type === 'failure') {
    free.push(name);
    throw new CedarError(answer.errors);
  }
  const unload = (): void => {
    preparsePolicySet(name, { staticPolicies: {} });
    free.push(name);
  };
  return { name, unload };
}

/** Something that Cedar holds; `unload` once, and do not use the name after it. */
export interface Loaded {
  readonly name: string;
  unload(): void;
}
