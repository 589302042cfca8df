import { ScalarType, type DescField, type DescMessage, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import type { FieldViolation } from '../errors/failure.js';

/** Messages that have a text form in the JSON mapping and may therefore stand in a path or a query. */
const textual = new Set([
  'google.protobuf.Timestamp',
  'google.protobuf.Duration',
  'google.protobuf.FieldMask',
  'google.protobuf.StringValue',
  'google.protobuf.BytesValue',
  'google.protobuf.Int64Value',
  'google.protobuf.UInt64Value',
  'google.protobuf.Int32Value',
  'google.protobuf.UInt32Value',
  'google.protobuf.DoubleValue',
  'google.protobuf.FloatValue',
  'google.protobuf.BoolValue',
]);

/** Where a text parameter goes in the JSON form of a request. */
export interface ParameterPlan {
  /** JSON names, outermost first. */
  path: readonly string[];
  repeated: boolean;
  read(text: string): JsonValue;
}

/**
 * The plan for a parameter such as `filter.page_size` (proto or JSON names), or undefined when the message has no such
 * field, or one that text cannot express (a message, a map).
 */
export function planParameter(message: DescMessage, names: readonly string[]): ParameterPlan | undefined {
  const path: string[] = [];
  let at: DescMessage | undefined = message;
  for (const [index, name] of names.entries()) {
    const field: DescField | undefined = at?.fields.find((each) => each.name === name || each.jsonName === name);
    if (!field) return undefined;
    path.push(field.jsonName);
    if (index === names.length - 1) return leafPlan(field, path);
    at = field.fieldKind === 'message' ? field.message : undefined;
  }
  return undefined;
}

function leafPlan(field: DescField, path: readonly string[]): ParameterPlan | undefined {
  const kind = field.fieldKind === 'list' ? field.listKind : field.fieldKind;
  if (kind === 'map') return undefined;
  if (kind === 'message' && !textual.has(field.message?.typeName ?? '')) return undefined;
  const repeated = field.fieldKind === 'list';
  if (kind === 'enum') return { path, repeated, read: (text) => (/^-?\d+$/.test(text) ? Number(text) : text) };
  const isBool = field.scalar === ScalarType.BOOL || field.message?.typeName === 'google.protobuf.BoolValue';
  if (field.message?.typeName === 'google.protobuf.FieldMask') return { path, repeated, read: readMask };
  return { path, repeated, read: isBool ? readBool : (text) => text };
}

/** The JSON mapping wants camelCase paths; a mask typed by hand may use the names of the .proto file. */
function readMask(text: string): JsonValue {
  return text.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function readBool(text: string): JsonValue {
  return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
}

/** Writes a value into the JSON form of a request, making the messages on its way. */
export function place(into: JsonObject, plan: ParameterPlan, texts: readonly string[]): FieldViolation | undefined {
  let at = into;
  for (const name of plan.path.slice(0, -1)) {
    const next = at[name];
    if (next === undefined) at = at[name] = {};
    else if (typeof next === 'object' && next !== null && !Array.isArray(next)) at = next;
    else return { field: plan.path.join('.'), detail: 'the body says something else here' };
  }
  const name = plan.path[plan.path.length - 1] as string;
  if (plan.repeated) at[name] = texts.map(plan.read);
  else if (texts.length > 1) return { field: plan.path.join('.'), detail: 'it may be given once' };
  else at[name] = plan.read(texts[0] as string);
  return undefined;
}
