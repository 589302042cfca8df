import { preparsePolicySet, preparseSchema, type DetailedError, type Schema } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * Cedar keeps preparsed sets and schemas in a table inside its WebAssembly memory and offers no way to take one out.
 * Names are therefore borrowed: a name given back is overwritten with nothing and lent again, so a tenant that changes
 * its policies a thousand times costs the memory of two.
 */
class Names {
  private next = 0;
  private readonly free: string[] = [];
  constructor(
    private readonly prefix: string,
    private readonly empty: (name: string) => void,
  ) {}

  borrow(): string {
    return this.free.pop() ?? `${this.prefix}${this.next++}`;
  }

  giveBack(name: string): void {
    this.empty(name);
    this.free.push(name);
  }
}

const policySetNames = new Names('p', (name) => preparsePolicySet(name, { staticPolicies: {} }));
const schemaNames = new Names('s', (name) => preparseSchema(name, {}));

/** Policies or a schema that Cedar cannot parse. */
export class CedarError extends Error {
  override readonly name = 'CedarError';
  constructor(readonly errors: readonly DetailedError[]) {
    super(errors.map((error) => error.message).join('; '));
  }
}

/** Preparsed policies, by id. @throws CedarError */
export function loadPolicies(policies: Readonly<Record<string, string>>): Loaded {
  const name = policySetNames.borrow();
  const answer = preparsePolicySet(name, { staticPolicies: policies });
  if (answer.type === 'failure') {
    policySetNames.giveBack(name);
    throw new CedarError(answer.errors);
  }
  return { name, unload: () => policySetNames.giveBack(name) };
}

/** A preparsed schema. @throws CedarError */
export function loadSchema(schema: Schema): Loaded {
  const name = schemaNames.borrow();
  const answer = preparseSchema(name, schema);
  if (answer.type === 'failure') {
    schemaNames.giveBack(name);
    throw new CedarError(answer.errors);
  }
  return { name, unload: () => schemaNames.giveBack(name) };
}

/** Something that Cedar holds; `unload` once, and do not use the name after it. */
export interface Loaded {
  readonly name: string;
  unload(): void;
}
