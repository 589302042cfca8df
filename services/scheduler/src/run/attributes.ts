import { refuse, type Json } from '@writ/ledger/domain';

/** What an attribute of a run can be. */
export type AttributeValue = string | number | boolean;

/** Small typed values of a run by which it is found. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Names of attributes. */
export const attributeKey = /^[A-Za-z][\w-]{0,63}$/;
const mostAtOnce = 16;
const mostCharacters = 200;

/** Checks what somebody sets at once. @throws DomainError `run.bad_attributes` */
export function checkedAttributes(given: Json | undefined): Attributes {
  for (const [key, value] of entriesOf(given)) if (value === null) throw bad(`'${key}' is null; leave it out`);
  return given as unknown as Attributes;
}

/** The same, where null takes one away. @throws DomainError `run.bad_attributes` */
export function checkedChanges(given: Json | undefined): Readonly<Record<string, AttributeValue | null>> {
  entriesOf(given);
  return given as Record<string, AttributeValue | null>;
}

function entriesOf(given: Json | undefined): [string, AttributeValue | null][] {
  const entries = Object.entries((given ?? {}) as Record<string, Json>);
  if (entries.length > mostAtOnce) throw bad(`there are ${entries.length}; at most ${mostAtOnce} are set at once`);
  for (const [key, value] of entries) {
    if (!attributeKey.test(key))
      throw bad(`'${key.slice(0, 80)}' is no name: a letter, then letters, digits, _ and -, at most 64`);
    const fits = value === null || typeof value === 'boolean' || Number.isFinite(value) || isShort(value);
    if (!fits) throw bad(`'${key}' must be text of at most ${mostCharacters} characters, a number, true or false`);
  }
  return entries as [string, AttributeValue | null][];
}

function isShort(value: Json): boolean {
  return typeof value === 'string' && value.length <= mostCharacters;
}

function bad(why: string) {
  return refuse('run.bad_attributes', why);
}
