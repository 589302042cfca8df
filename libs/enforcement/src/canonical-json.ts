/** A value cannot be written as canonical JSON. */
export class NotCanonical extends Error {
  override readonly name = 'NotCanonical';
}

/**
 * RFC 8785 (JCS) text of a JSON value: keys in UTF-16 code unit order, numbers as ECMAScript writes them, no white space.
 * Members that are `undefined` are left out, as `JSON.stringify` does.
 *
 * @throws NotCanonical for what I-JSON (RFC 7493) cannot carry: a number that is not finite, a lone surrogate, a value nested deeper than 200.
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > 200) throw new NotCanonical('the value is nested deeper than 200 levels');
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new NotCanonical('a string holds half of a surrogate pair');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new NotCanonical(`${value} is not a JSON number`);
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null
        ? 'null'
        : Array.isArray(value)
          ? canonicalArray(value, depth)
          : canonicalObject(value, depth);
    default:
      throw new NotCanonical(`a ${typeof value} is not JSON`);
  }
}

function canonicalArray(items: readonly unknown[], depth: number): string {
  return `[${items.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
}

function canonicalObject(value: object, depth: number): string {
  const members: string[] = [];
  for (const [key, member] of Object.entries(value).sort(byCodeUnit)) {
    if (member === undefined) continue;
    members.push(`${canonicalJson(key)}:${canonicalJson(member, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}

/** `<` on strings compares UTF-16 code units, which is what the RFC asks for; `localeCompare` does not. */
function byCodeUnit([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
