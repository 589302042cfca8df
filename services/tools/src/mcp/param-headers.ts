/**
 * Arguments that a client repeats as headers for those on the way (2026-07-28, `x-mcp-header` in a schema). What stands on
 * the way may have decided by the header, so header and body must agree.
 */
interface Declared {
  readonly header: string;
  readonly path: readonly string[];
  readonly numeric: boolean;
}

type Schema = Record<string, unknown>;

/** @returns what disagrees, if anything does; undefined when all is well */
export function disagreement(schema: Schema, input: unknown, headers: Headers): string | undefined {
  for (const { header, path, numeric } of declaredBy(schema)) {
    const name = `Mcp-Param-${header}`;
    const value = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), input);
    if (value === undefined || value === null || typeof value === 'object') continue;
    const where = `the body has ${path.join('.')}`;
    const given = headers.get(name);
    if (given === null) return `${where}, but the header ${name} is missing`;
    const told = decoded(given);
    if (told === undefined) return `the header ${name} is not valid Base64 of UTF-8`;
    const same = numeric && isNumber(told) ? Number(told) === value : told === String(value);
    if (!same) return `${where} = ${JSON.stringify(value).slice(0, 100)}, the header ${name} says another value`;
  }
  return undefined;
}

function declaredBy(schema: Schema, path: readonly string[] = []): Declared[] {
  if (!isObject(schema['properties'])) return [];
  return Object.entries(schema['properties']).flatMap(([key, property]) => {
    if (!isObject(property)) return [];
    const here = [...path, key];
    const header = property['x-mcp-header'];
    const numeric = property['type'] === 'integer' || property['type'] === 'number';
    return [...(typeof header === 'string' ? [{ header, path: here, numeric }] : []), ...declaredBy(property, here)];
  });
}

/** `=?base64?SGVsbG8=?=`, or the value itself. @returns undefined for Base64 that is none */
function decoded(value: string): string | undefined {
  const [, payload] = /^=\?base64\?(.*)\?=$/s.exec(value) ?? [];
  if (payload === undefined) return value;
  const bytes = Buffer.from(payload, 'base64');
  if (bytes.toString('base64') !== payload) return undefined;
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? text : undefined;
}

const isNumber = (text: string): boolean => /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text);
const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null;
