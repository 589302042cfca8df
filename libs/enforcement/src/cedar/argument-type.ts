import type { Json } from '@writ/ledger/domain';

/**
 * What a policy sees of an argument. Everything that JSON Schema can say and Cedar cannot type becomes `json`:
 * a String that holds the value's canonical JSON, so a policy can still compare it with `==` and `like`.
 */
export type ArgumentType =
  | { readonly kind: 'string' | 'integer' | 'number' | 'boolean' | 'json' }
  | { readonly kind: 'array'; readonly element: ArgumentType }
  | { readonly kind: 'object'; readonly properties: Readonly<Record<string, Property>> };

/** One member of an object; `required` is false as well for what may be null. */
export interface Property {
  readonly type: ArgumentType;
  readonly required: boolean;
}

/** The arguments of one action as a whole: always an object. */
export type ArgumentsType = Extract<ArgumentType, { kind: 'object' }>;

export const noArguments: ArgumentsType = { kind: 'object', properties: {} };

/** Deeper objects are seen as `json`. */
const MAX_DEPTH = 8;
/** Names that Cedar's JSON form gives a meaning: as a key of an argument they would turn data into an entity or a function call. */
const RESERVED = new Set(['__entity', '__extn', '__expr', '__proto__']);

type Schema = { readonly [key: string]: Json | undefined };

/** The arguments of a tool from its MCP `inputSchema` (JSON Schema 2020-12). A schema that is not an object's gives no arguments. */
export function argumentsOfSchema(schema: Json): ArgumentsType {
  const type = typeOfSchema(schema, schema, 0)?.type;
  return type?.kind === 'object' ? type : noArguments;
}

function typeOfSchema(
  schema: Json | undefined,
  root: Json,
  depth: number,
): { type: ArgumentType; nullable: boolean } | undefined {
  const json = { type: { kind: 'json' } as const, nullable: false };
  if (!isObject(schema) || depth > MAX_DEPTH) return json;
  if (typeof schema['$ref'] === 'string') return typeOfSchema(resolve(schema['$ref'], root), root, depth + 1);
  if (Array.isArray(schema['anyOf']) || Array.isArray(schema['oneOf'])) {
    return typeOfUnion((schema['anyOf'] ?? schema['oneOf']) as Json[], root, depth);
  }
  if (schema['allOf'] !== undefined || schema['not'] !== undefined || schema['if'] !== undefined) return json;
  const names = typeNames(schema);
  const nullable = names.includes('null');
  const [name, ...others] = names.filter((each) => each !== 'null');
  if (name === undefined || others.length > 0) return { ...json, nullable };
  return { type: typeNamed(name, schema, root, depth), nullable };
}

/** `anyOf: [X, {type: 'null'}]` is how most generators write an optional value; other unions have no Cedar type. */
function typeOfUnion(members: readonly Json[], root: Json, depth: number): { type: ArgumentType; nullable: boolean } {
  const rest = members.filter((member) => !(isObject(member) && member['type'] === 'null'));
  const nullable = rest.length < members.length;
  const only = rest.length === 1 ? typeOfSchema(rest[0], root, depth + 1) : undefined;
  return only === undefined
    ? { type: { kind: 'json' }, nullable }
    : { type: only.type, nullable: nullable || only.nullable };
}

function typeNames(schema: Schema): string[] {
  const { type } = schema;
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.filter((each) => typeof each === 'string');
  const values = schema['const'] === undefined ? schema['enum'] : [schema['const']];
  if (Array.isArray(values)) return [...new Set(values.map(typeNameOf))];
  return isObject(schema['properties']) ? ['object'] : [];
}

function typeNameOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isSafeInteger(value) ? 'integer' : typeof value;
}

function typeNamed(name: string, schema: Schema, root: Json, depth: number): ArgumentType {
  switch (name) {
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
      return { kind: name };
    case 'array': {
      const element = schema['prefixItems'] === undefined ? typeOfSchema(schema['items'], root, depth + 1) : undefined;
      return { kind: 'array', element: element === undefined || element.nullable ? { kind: 'json' } : element.type };
    }
    case 'object':
      return typeOfObject(schema, root, depth);
    default:
      return { kind: 'json' };
  }
}

function typeOfObject(schema: Schema, root: Json, depth: number): ArgumentType {
  const declared = schema['properties'];
  const names = isObject(declared) ? Object.keys(declared) : [];
  if (!isObject(declared) || names.some((name) => RESERVED.has(name)))
    return depth === 0 ? noArguments : { kind: 'json' };
  // A map (free keys) is not a Cedar record. At the top the declared names are typed all the same and the rest is listed as undeclared.
  if (depth > 0 && (names.length === 0 || isObject(schema['additionalProperties']))) return { kind: 'json' };
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : []);
  const properties: Record<string, Property> = {};
  for (const name of names) {
    const found = typeOfSchema(declared[name], root, depth + 1);
    if (found !== undefined) properties[name] = { type: found.type, required: required.has(name) && !found.nullable };
  }
  return { kind: 'object', properties };
}

/** Local references only (`#/$defs/x`): what another document says is never fetched. */
function resolve(reference: string, root: Json): Json | undefined {
  if (!reference.startsWith('#')) return undefined;
  const tokens = reference.slice(1).split('/').slice(1);
  return tokens.reduce<Json | undefined>((value, token) => {
    const key = decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~');
    return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }, root);
}

/** The type that a value has by itself, for an action whose arguments nobody declared. */
export function typeOfValue(value: Json, depth = 0): ArgumentType {
  if (typeof value === 'string') return { kind: 'string' };
  if (typeof value === 'boolean') return { kind: 'boolean' };
  if (typeof value === 'number')
    return { kind: Number.isSafeInteger(value) ? 'integer' : isDecimal(value) ? 'number' : 'json' };
  if (value === null || depth > MAX_DEPTH) return { kind: 'json' };
  if (Array.isArray(value)) {
    const kinds = new Set(value.map((item) => typeOfValue(item, depth + 1).kind));
    const [kind, ...others] = kinds;
    const plain = kind === 'string' || kind === 'integer' || kind === 'number' || kind === 'boolean';
    return { kind: 'array', element: { kind: plain && others.length === 0 ? kind : 'json' } };
  }
  const members = Object.entries(value);
  if (members.some(([name]) => RESERVED.has(name))) return depth === 0 ? noArguments : { kind: 'json' };
  const present = members.filter(([, member]) => member !== null);
  return {
    kind: 'object',
    properties: Object.fromEntries(
      present.map(([name, member]) => [name, { type: typeOfValue(member, depth + 1), required: true }]),
    ),
  };
}

/** Cedar's decimal: four digits after the point, 64 bits. */
export function isDecimal(value: number): boolean {
  return Math.abs(value) < 922_337_203_685_477 && Number(value.toFixed(4)) === value;
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
