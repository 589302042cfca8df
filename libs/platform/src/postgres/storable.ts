/**
 * A text as PostgreSQL can hold it. It knows no U+0000, and would take half of a surrogate pair for an error; both become
 * U+FFFD. The API lets neither in, but a view is also fed with what workers, tools and servers say: the ledger keeps it as
 * it was, and a view that stopped at it would stop for everybody.
 */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').toWellFormed();
}

/** The same for every text and every name in a value: JSON for a column of type `jsonb`, which refuses the escapes too. */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  return mayBeUnfit(json) ? JSON.stringify(clean(JSON.parse(json))) : json;
}

/** The same for a whole value of JSON, such as an event; hardly ever another one than was given. */
export function storableValue<T>(value: T): T {
  const json = JSON.stringify(value);
  return mayBeUnfit(json) ? (clean(JSON.parse(json)) as T) : value;
}

/** So that no value is walked through for nothing. An escaped backslash in front of `u0000` is found as well. */
function mayBeUnfit(json: string): boolean {
  return /\\u(?:0000|d[89a-f])/.test(json);
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return storable(value);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [storable(name), clean(each)]));
}
