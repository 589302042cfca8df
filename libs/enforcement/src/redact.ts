import type { Json } from '@writ/ledger/domain';

/** What stands in an event in the place of a value that must not be there. */
export const REDACTED = '[redacted]';

/**
 * A copy of `value` without what the JSON Pointers (RFC 6901) name; `*` as a token names every member or item.
 * A pointer to nothing is ignored: whether a secret was passed is no reason to refuse a call.
 */
export function redact(value: Json, pointers: readonly string[]): Json {
  return pointers.reduce((result, pointer) => replaceAt(result, tokensOf(pointer)), value);
}

function tokensOf(pointer: string): string[] {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function replaceAt(value: Json, [token, ...rest]: string[]): Json {
  if (token === undefined) return REDACTED;
  if (Array.isArray(value)) {
    return value.map((item, index) => (token === '*' || token === String(index) ? replaceAt(item, rest) : item));
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      token === '*' || token === key ? replaceAt(member, rest) : member,
    ]),
  );
}

/**
 * Bounds what goes into an event. Strings are cut first (what is cut keeps its length, so a reader knows); when that is
 * not enough only the size is left.
 */
export function bounded(value: Json, maxBytes: number): Json {
  if (sizeOf(value) <= maxBytes) return value;
  for (const longest of [1024, 128]) {
    const cut = cutStrings(value, longest);
    if (sizeOf(cut) <= maxBytes) return cut;
  }
  return { omitted: true, bytes: sizeOf(value) };
}

function cutStrings(value: Json, longest: number): Json {
  if (typeof value === 'string') {
    if (value.length <= longest) return value;
    // Half of a surrogate pair at the cut would make the event unreadable for strict JSON parsers.
    return `${value.slice(0, longest).toWellFormed()}… (${value.length} characters)`;
  }
  if (Array.isArray(value)) return value.map((item) => cutStrings(item, longest));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, cutStrings(member, longest)]));
}

/** Bytes of the value as JSON in UTF-8. */
export function sizeOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
