import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Json } from '@writ/ledger/domain';
import { canonicalJson } from '../canonical-json.js';
import { isDecimal, type ArgumentsType, type ArgumentType } from './argument-type.js';

/** An argument does not have the type that the action declares for it. */
export class ArgumentMismatch extends Error {
  override readonly name = 'ArgumentMismatch';
  /** `pointer` is the JSON Pointer of the argument. */
  constructor(
    readonly pointer: string,
    readonly expected: string,
  ) {
    super(`argument ${pointer === '' ? 'list' : pointer} is not ${expected}`);
  }
}

/**
 * The arguments as the record that policies see, by their declared types. What is not declared is left out (`undeclared` names it):
 * so a caller can neither smuggle in an attribute nor Cedar's own `__entity` and `__extn` forms.
 *
 * @throws ArgumentMismatch
 */
export function cedarArguments(type: ArgumentsType, value: Json): { [name: string]: CedarValueJson } {
  return cedarRecord(type, value, '');
}

/** Top-level arguments that the type does not declare. */
export function undeclaredArguments(type: ArgumentsType, value: Json): string[] {
  return isRecord(value) ? Object.keys(value).filter((name) => !Object.hasOwn(type.properties, name)) : [];
}

function cedarRecord(type: ArgumentsType, value: Json, pointer: string): { [name: string]: CedarValueJson } {
  if (!isRecord(value)) throw new ArgumentMismatch(pointer, 'an object');
  const record: { [name: string]: CedarValueJson } = {};
  for (const [name, property] of Object.entries(type.properties)) {
    const at = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    if (member === undefined || (member === null && !property.required)) {
      if (property.required) throw new ArgumentMismatch(at, 'present, and it is required');
      continue;
    }
    record[name] = cedarValue(property.type, member, at);
  }
  return record;
}

function cedarValue(type: ArgumentType, value: Json, pointer: string): CedarValueJson {
  switch (type.kind) {
    case 'string':
      if (typeof value !== 'string') throw new ArgumentMismatch(pointer, 'a string');
      return value;
    case 'integer':
      if (!Number.isSafeInteger(value)) throw new ArgumentMismatch(pointer, 'an integer of at most 53 bits');
      return value as number;
    case 'number':
      if (typeof value !== 'number' || !isDecimal(value))
        throw new ArgumentMismatch(pointer, 'a number with at most four decimals');
      return { __extn: { fn: 'decimal', arg: value.toFixed(4) } };
    case 'boolean':
      if (typeof value !== 'boolean') throw new ArgumentMismatch(pointer, 'a boolean');
      return value;
    case 'array':
      if (!Array.isArray(value)) throw new ArgumentMismatch(pointer, 'an array');
      return value.map((item, index) => cedarValue(type.element, item, `${pointer}/${index}`));
    case 'object':
      return cedarRecord(type, value, pointer);
    case 'json':
      return canonicalJson(value);
  }
}

function isRecord(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
