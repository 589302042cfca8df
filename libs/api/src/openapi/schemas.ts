import { ScalarType, type DescEnum, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { comments } from '@writ/proto/comments';
import type { JsonSchema } from './json-schema.js';
import { isRequired, itemKeywordsOf, keywordsOf, rulesInWords } from './rules.js';

const int64: JsonSchema = { type: 'string', format: 'int64' };
const scalars: Readonly<Record<ScalarType, JsonSchema>> = {
  [ScalarType.STRING]: { type: 'string' },
  [ScalarType.BOOL]: { type: 'boolean' },
  [ScalarType.BYTES]: { type: 'string', contentEncoding: 'base64' },
  [ScalarType.DOUBLE]: { type: 'number', format: 'double' },
  [ScalarType.FLOAT]: { type: 'number', format: 'float' },
  [ScalarType.INT32]: { type: 'integer', format: 'int32' },
  [ScalarType.SINT32]: { type: 'integer', format: 'int32' },
  [ScalarType.SFIXED32]: { type: 'integer', format: 'int32' },
  [ScalarType.UINT32]: { type: 'integer', format: 'uint32' },
  [ScalarType.FIXED32]: { type: 'integer', format: 'uint32' },
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: { type: 'string', format: 'uint64' },
  [ScalarType.FIXED64]: { type: 'string', format: 'uint64' },
};

/** Messages with a JSON form of their own (proto3 JSON mapping). */
const special: Readonly<Record<string, JsonSchema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': {
    type: 'string',
    pattern: '^-?[0-9]+(\\.[0-9]{1,9})?s$',
    description: 'Seconds, such as `1.5s`.',
  },
  'google.protobuf.FieldMask': { type: 'string', description: 'Field paths in camelCase, separated by commas.' },
  'google.protobuf.Struct': { type: 'object', additionalProperties: true },
  'google.protobuf.Value': {},
  'google.protobuf.ListValue': { type: 'array', items: {} },
  'google.protobuf.Any': { type: 'object', properties: { '@type': { type: 'string' } }, additionalProperties: true },
  'google.protobuf.Empty': { type: 'object' },
};

/** Writes messages and enums as JSON Schema; collects those that are used under `components.schemas`. */
export class Schemas {
  readonly used: Record<string, JsonSchema> = {};

  /** A reference to the message, which is collected with all that it uses. */
  message(desc: DescMessage): JsonSchema {
    const known = special[desc.typeName];
    if (known) return known;
    return this.collect(desc.typeName, () => this.object(desc));
  }

  /** The value of a field, with its rules and its comment. */
  field(field: DescField): JsonSchema {
    const comment = comments[`${field.parent?.typeName}.${field.name}`];
    const described = { ...(comment && { description: comment }) };
    switch (field.fieldKind) {
      case 'list':
        return {
          type: 'array',
          items: { ...this.single(field), ...itemKeywordsOf(field) },
          ...keywordsOf(field),
          ...described,
        };
      case 'map':
        return { type: 'object', additionalProperties: this.single(field), ...keywordsOf(field), ...described };
      default:
        return { ...this.single(field), ...keywordsOf(field), ...described };
    }
  }

  private single(field: DescField): JsonSchema {
    if (field.message) return this.message(field.message);
    if (field.enum) return this.enumeration(field.enum);
    return scalars[field.scalar as ScalarType];
  }

  private enumeration(desc: DescEnum): JsonSchema {
    if (desc.typeName === 'google.protobuf.NullValue') return { type: 'null' };
    return this.collect(desc.typeName, () => {
      const lines = desc.values.flatMap((value) => {
        const comment = comments[`${desc.typeName}.${value.name}`];
        return comment ? [`\`${value.name}\`: ${comment}`] : [];
      });
      const text = [comments[desc.typeName], ...lines].filter(Boolean).join('\n\n');
      return { type: 'string', enum: desc.values.map((value) => value.name), ...(text && { description: text }) };
    });
  }

  private object(desc: DescMessage): JsonSchema {
    const text = [comments[desc.typeName], ...rulesInWords(desc)].filter(Boolean).join('\n\n');
    const required = desc.fields.filter(isRequired).map((field) => field.jsonName);
    // At most one field of a oneof: each pair of them excludes the other.
    const exclusive = desc.oneofs.flatMap(({ fields }) =>
      fields.flatMap((one, index) =>
        fields.slice(index + 1).map((other) => ({ not: { required: [one.jsonName, other.jsonName] } })),
      ),
    );
    return {
      type: 'object',
      properties: Object.fromEntries(desc.fields.map((field) => [field.jsonName, this.field(field)])),
      ...(required.length > 0 && { required }),
      ...(exclusive.length > 0 && { allOf: exclusive }),
      ...(text && { description: text }),
    };
  }

  private collect(name: string, make: () => JsonSchema): JsonSchema {
    if (!(name in this.used)) {
      this.used[name] = {}; // first, or a message that contains itself would never end
      this.used[name] = make();
    }
    return { $ref: `#/components/schemas/${name}` };
  }
}
