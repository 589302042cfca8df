/**
 * Prints buf/validate/validate.proto from the descriptor inside @bufbuild/protovalidate: no npm package carries the
 * file itself, and rules compiled from another version than the validator's own would be read wrongly. Run it after an
 * update of that package; generate.mjs --check holds the two equal.
 */
import { writeFile } from 'node:fs/promises';
import { ScalarType, isFieldSet, createRegistry, hasExtension, getExtension } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { file_buf_validate_validate as file } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

const header = `// Copyright 2023-2026 Buf Technologies, Inc.
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//      http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

// Printed by proto/print-validate.mjs from the descriptor of @bufbuild/protovalidate; comments are in the original:
// https://github.com/bufbuild/protovalidate/blob/main/proto/protovalidate/buf/validate/validate.proto
`;

const extensions = [...createRegistry(file)].filter((type) => type.kind === 'extension');
const scalarName = (scalar) => ScalarType[scalar].toLowerCase();
const quote = (text) => JSON.stringify(text);

/** A value in the text format that stands after `=` in an option. */
function literal(field, value) {
  if (field.enum !== undefined) return field.enum.value[value].name;
  if (field.message !== undefined) return aggregate(reflect(field.message, value.message ?? value));
  return typeof value === 'string' ? quote(value) : String(value);
}

function aggregate(message) {
  const parts = [];
  for (const field of message.sortedFields.filter((each) => message.isSet(each))) {
    const value = message.get(field);
    if (field.fieldKind !== 'list') parts.push(`${field.name}: ${literal(field, value)}`);
    else for (const item of value) parts.push(`${field.name}: ${literal(field, item)}`);
  }
  return `{ ${parts.join(' ')} }`;
}

/** Every option set on an options message: its own fields and this file's extensions of it. */
function options(message, schema) {
  if (message === undefined) return [];
  const found = [];
  const view = reflect(schema, message);
  for (const field of view.sortedFields.filter((each) => isFieldSet(message, each)))
    found.push(`${field.name} = ${literal(field, view.get(field))}`);
  for (const extension of extensions)
    if (hasExtension(message, extension))
      found.push(`(${extension.typeName}) = ${literal(extension, getExtension(message, extension))}`);
  return found;
}

const optionsOf = (desc, kind) => options(desc.proto.options, kind);

/** The text of the file. */
export async function print() {
  const { FieldOptionsSchema, FileOptionsSchema, EnumValueOptionsSchema, OneofOptionsSchema } =
    await import('@bufbuild/protobuf/wkt');
  const lines = [header, 'syntax = "proto2";', `package ${file.proto.package};`];
  for (const path of file.proto.dependency) lines.push(`import "${path}";`);
  for (const option of optionsOf(file, FileOptionsSchema)) lines.push(`option ${option};`);

  const typeOf = (field) => {
    const target = field.message ?? field.enum;
    return target ? `.${target.typeName}` : scalarName(field.scalar);
  };
  const fieldType = (field) => {
    if (field.fieldKind === 'map')
      return `map<${scalarName(field.mapKey)}, ${field.message || field.enum ? `.${(field.message ?? field.enum).typeName}` : scalarName(field.scalar)}>`;
    const label = field.oneof
      ? ''
      : field.fieldKind === 'list'
        ? 'repeated '
        : field.proto.label === 2
          ? 'required '
          : 'optional ';
    return label + typeOf(field);
  };
  const printField = (field, indent) => {
    const all = optionsOf(field, FieldOptionsSchema);
    if (field.proto.defaultValue) all.unshift(`default = ${field.proto.defaultValue}`);
    lines.push(
      `${indent}${fieldType(field)} ${field.name} = ${field.number}${all.length ? ` [${all.join(', ')}]` : ''};`,
    );
  };
  const printEnum = (desc, indent) => {
    lines.push('', `${indent}enum ${desc.name} {`);
    for (const value of desc.values) {
      const all = optionsOf(value, EnumValueOptionsSchema);
      lines.push(`${indent}  ${value.name} = ${value.number}${all.length ? ` [${all.join(', ')}]` : ''};`);
    }
    // The end of a reserved range is inclusive in an enum and exclusive in a message.
    for (const range of desc.proto.reservedRange) lines.push(`${indent}  reserved ${range.start} to ${range.end};`);
    for (const name of desc.proto.reservedName) lines.push(`${indent}  reserved ${quote(name)};`);
    lines.push(`${indent}}`);
  };
  const printMessage = (desc, indent) => {
    lines.push('', `${indent}message ${desc.name} {`);
    const inner = `${indent}  `;
    for (const each of desc.nestedEnums) printEnum(each, inner);
    for (const each of desc.nestedMessages) printMessage(each, inner);
    for (const member of desc.members) {
      if (member.kind === 'field') printField(member, inner);
      else {
        lines.push(`${inner}oneof ${member.name} {`);
        for (const option of optionsOf(member, OneofOptionsSchema)) lines.push(`${inner}  option ${option};`);
        for (const field of member.fields) printField(field, `${inner}  `);
        lines.push(`${inner}}`);
      }
    }
    for (const range of desc.proto.reservedRange) lines.push(`${inner}reserved ${range.start} to ${range.end - 1};`);
    for (const name of desc.proto.reservedName) lines.push(`${inner}reserved ${quote(name)};`);
    for (const range of desc.proto.extensionRange)
      lines.push(`${inner}extensions ${range.start} to ${range.end > 536870911 ? 'max' : range.end - 1};`);
    lines.push(`${indent}}`);
  };
  for (const extension of file.extensions) {
    lines.push('', `extend .${extension.extendee.typeName} {`);
    printField(extension, '  ');
    lines.push('}');
  }
  for (const desc of file.enums) printEnum(desc, '');
  for (const desc of file.messages) printMessage(desc, '');
  return `${lines.join('\n')}\n`;
}

if (process.argv[1] === import.meta.filename)
  await writeFile(new URL('./buf/validate/validate.proto', import.meta.url), await print());
