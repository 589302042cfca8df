import { getOption, type DescField, type DescMessage } from '@bufbuild/protobuf';
import {
  field as fieldRules,
  message as messageRules,
  type FieldRules,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import type { JsonSchema } from './json-schema.js';

/** The rules of a field as keywords of JSON Schema, as far as they have any. */
export function keywordsOf(field: DescField): JsonSchema {
  return keywords(getOption(field, fieldRules));
}

/** Whether a request without the field is refused. */
export function isRequired(field: DescField): boolean {
  return getOption(field, fieldRules).required;
}

/** Rules over several fields (CEL), in words. */
export function rulesInWords(message: DescMessage): string[] {
  return getOption(message, messageRules).cel.map((rule) => rule.message || rule.expression);
}

function keywords({ type }: FieldRules): JsonSchema {
  switch (type.case) {
    case 'string': {
      const { minLen, maxLen, len, pattern, in: allowed, wellKnown } = type.value;
      const formats: Readonly<Record<string, string>> = {
        email: 'email',
        uri: 'uri',
        uuid: 'uuid',
        hostname: 'hostname',
      };
      const format = wellKnown.case === undefined ? undefined : formats[wellKnown.case];
      return {
        ...(len > 0n ? { minLength: Number(len), maxLength: Number(len) } : {}),
        ...(minLen > 0n && { minLength: Number(minLen) }),
        ...(maxLen > 0n && { maxLength: Number(maxLen) }),
        ...(pattern !== '' && { pattern }),
        ...(allowed.length > 0 && { enum: allowed }),
        ...(format && { format }),
      };
    }
    case 'repeated': {
      const { minItems, maxItems, unique } = type.value;
      return {
        ...(minItems > 0n && { minItems: Number(minItems) }),
        ...(maxItems > 0n && { maxItems: Number(maxItems) }),
        ...(unique && { uniqueItems: true }),
      };
    }
    case 'map': {
      const { minPairs, maxPairs } = type.value;
      return {
        ...(minPairs > 0n && { minProperties: Number(minPairs) }),
        ...(maxPairs > 0n && { maxProperties: Number(maxPairs) }),
      };
    }
    case 'int32':
    case 'uint32':
    case 'sint32':
    case 'fixed32':
    case 'sfixed32':
    case 'float':
    case 'double': {
      const { greaterThan, lessThan } = type.value;
      const lower =
        greaterThan.case === 'gte' ? { minimum: greaterThan.value } : { exclusiveMinimum: greaterThan.value };
      const upper = lessThan.case === 'lte' ? { maximum: lessThan.value } : { exclusiveMaximum: lessThan.value };
      return { ...(greaterThan.case && (lower as JsonSchema)), ...(lessThan.case && (upper as JsonSchema)) };
    }
    default:
      // 64-bit numbers are strings in the JSON mapping: a bound has no keyword there.
      return {};
  }
}

/** The rules of a list's items. */
export function itemKeywordsOf(field: DescField): JsonSchema {
  const { type } = getOption(field, fieldRules);
  return type.case === 'repeated' && type.value.items ? keywords(type.value.items) : {};
}
