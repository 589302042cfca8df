import { isPlain } from '../codec/plain.js';
import { WritError } from '../errors/errors.js';

/** Small values by which a run is found: text of at most 200 characters, numbers, true or false. Names: a letter, then letters, digits, `_` and `-`. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;
/** Attributes as a run changes them: null takes one away. */
export type AttributeChanges = Readonly<Record<string, string | number | boolean | null>>;

const name = /^[A-Za-z][\w-]{0,63}$/;

/** @throws WritError `run.bad_attributes`, as the scheduler would refuse them */
export function checkAttributes(given: AttributeChanges, clearing: boolean): void {
  const entries = Object.entries(given);
  if (entries.length > 16) throw bad(`there are ${entries.length} attributes; at most 16 are set at once`);
  for (const [key, value] of entries) {
    if (!name.test(key)) throw bad(`'${key.slice(0, 80)}' cannot be the name of an attribute`);
    const short = typeof value === 'string' && value.length <= 200 && isPlain(value);
    if (!short && typeof value !== 'boolean' && !Number.isFinite(value) && !(value === null && clearing))
      throw bad(`the attribute '${key}' must be text of at most 200 characters, a number, true or false`);
  }
}

function bad(why: string): WritError {
  return new WritError(why, { code: 'run.bad_attributes' });
}
