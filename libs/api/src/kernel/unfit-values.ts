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
 * The first value of a request that may not go further: a text with U+0000, which PostgreSQL cannot hold, so that a view would
 * stop at it for ever; one with half of a surrogate pair, which is no Unicode; and a number that is none, or too large to be
 * one (JSON reads `1e999`, and cannot write what it has read). Keys count, and so does free JSON.
 */
export function unfitValue(schema: DescMessage, message: Message): FieldViolation | undefined {
  // Names of fields cost ten times the looking, so they are looked for only where there is something to name.
  return holdsUnfit(message) ? inMessage(reflect(schema, message, false), '') : undefined;
}

/** Whether there is such a text anywhere in a message, which is a plain object; so are its maps and its free JSON. */
function holdsUnfit(value: unknown): boolean {
  if (typeof value !== 'object') return whyUnfit(value) !== undefined;
  if (value === null || value instanceof Uint8Array) return false;
  if (Array.isArray(value)) return value.some(holdsUnfit);
  for (const name in value)
    if (whyUnfit(name) !== undefined || holdsUnfit((value as Record<string, unknown>)[name])) return true;
  return false;
}

function whyUnfit(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot say`;
  return typeof value === 'string' ? whyUnfitText(value) : undefined;
}

function whyUnfitText(text: string): string | undefined {
  if (text.includes('\u0000')) return 'holds U+0000, which no text may hold';
  return text.isWellFormed() ? undefined : 'holds half of a surrogate pair, which is no Unicode';
}

function inMessage(message: ReflectMessage, path: string): FieldViolation | undefined {
  for (const field of message.fields) {
    if (!mayBeUnfit(field) || !message.isSet(field)) continue;
    const found = inValue(message.get(field), path === '' ? field.name : `${path}.${field.name}`);
    if (found) return found;
  }
  return undefined;
}

const unfit: ReadonlySet<ScalarType> = new Set([ScalarType.STRING, ScalarType.DOUBLE, ScalarType.FLOAT]);

/** What is large in a request is bytes, and those are left alone. */
function mayBeUnfit(field: DescField): boolean {
  return (
    field.fieldKind === 'map' || field.message !== undefined || (field.scalar !== undefined && unfit.has(field.scalar))
  );
}

function inValue(value: unknown, path: string): FieldViolation | undefined {
  const detail = whyUnfit(value);
  if (detail !== undefined) return { field: path, detail };
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
