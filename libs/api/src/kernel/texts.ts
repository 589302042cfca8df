import { ScalarType, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf';
import {
  isReflectList,
  isReflectMap,
  isReflectMessage,
  reflect,
  type ReflectMessage,
} from '@bufbuild/protobuf/reflect';
import type { FieldViolation } from '../errors/failure.js';

/**
 * The first text of a request that may not go further: one with U+0000, which PostgreSQL cannot hold, so that a view would
 * stop at it for ever; or one with half of a surrogate pair, which is no Unicode. Keys count, and so does free JSON.
 */
export function unfitText(schema: DescMessage, message: Message): FieldViolation | undefined {
  // Names of fields cost ten times the looking, so they are looked for only where there is something to name.
  return holdsUnfit(message) ? inMessage(reflect(schema, message, false), '') : undefined;
}

/** Whether there is such a text anywhere in a message, which is a plain object; so are its maps and its free JSON. */
function holdsUnfit(value: unknown): boolean {
  if (typeof value === 'string') return whyUnfit(value) !== undefined;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  if (Array.isArray(value)) return value.some(holdsUnfit);
  for (const name in value)
    if (whyUnfit(name) !== undefined || holdsUnfit((value as Record<string, unknown>)[name])) return true;
  return false;
}

function whyUnfit(text: string): string | undefined {
  if (text.includes('\u0000')) return 'holds U+0000, which no text may hold';
  return text.isWellFormed() ? undefined : 'holds half of a surrogate pair, which is no Unicode';
}

function inMessage(message: ReflectMessage, path: string): FieldViolation | undefined {
  for (const field of message.fields) {
    if (!mayHoldText(field) || !message.isSet(field)) continue;
    const found = inValue(message.get(field), path === '' ? field.name : `${path}.${field.name}`);
    if (found) return found;
  }
  return undefined;
}

/** What is large in a request is bytes, and those are left alone. */
function mayHoldText(field: DescField): boolean {
  return field.fieldKind === 'map' || field.message !== undefined || field.scalar === ScalarType.STRING;
}

function inValue(value: unknown, path: string): FieldViolation | undefined {
  if (typeof value === 'string') {
    const detail = whyUnfit(value);
    return detail === undefined ? undefined : { field: path, detail };
  }
  if (isReflectMessage(value)) return inMessage(value, path);
  if (isReflectList(value)) return firstOf([...value].entries(), path, (at) => `${path}[${at}]`);
  if (isReflectMap(value)) return firstOf(value, path, (key) => `${path}["${String(key)}"]`);
  return undefined;
}

function firstOf(
  entries: Iterable<readonly [unknown, unknown]>,
  path: string,
  pathOf: (key: unknown) => string,
): FieldViolation | undefined {
  for (const [key, value] of entries) {
    const found = inValue(key, path) ?? inValue(value, pathOf(key));
    if (found) return found;
  }
  return undefined;
}
