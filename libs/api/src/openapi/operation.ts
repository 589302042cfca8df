import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { comments } from '@writ/proto/comments';
import type { HttpBinding, MethodContract } from '../contract/contract.js';
import { planParameter } from '../rest/parameters.js';
import type { JsonSchema } from './json-schema.js';
import type { Schemas } from './schemas.js';

/** Deeper than this, nested query parameters exist but are not listed. */
const QUERY_DEPTH = 3;

export interface Parameter {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  description?: string;
  schema: JsonSchema;
}

/** The path as OpenAPI writes it; a variable of many segments becomes one parameter for each of its wildcards. */
export function pathOf({ template }: HttpBinding): { path: string; parameters: string[] } {
  const names: string[] = [];
  const parts = template.segments.map((segment, index) => {
    if (segment.kind === 'literal') return segment.text;
    const variable = template.variables.find(({ from, to }) => index >= from && index < to);
    const wildcards = template.segments
      .slice(variable?.from, index + 1)
      .filter((each) => each.kind !== 'literal').length;
    const base = variable?.field.join('.') ?? `part${index}`;
    const name = variable?.multiple && variable.to - variable.from > 1 ? `${base}_${wildcards}` : base;
    names.push(name);
    return `{${name}}`;
  });
  return { path: `/${parts.join('/')}${template.verb === undefined ? '' : `:${template.verb}`}`, parameters: names };
}

/** One operation of an OpenAPI document. */
export function operationOf(contract: MethodContract, binding: HttpBinding, index: number, schemas: Schemas): object {
  const { desc } = contract;
  const comment = comments[contract.name] ?? '';
  const summary = comment.split(/(?<=[.:])\s/)[0]?.replace(/[.:]$/, '');
  return {
    operationId: `${desc.parent.name}_${desc.name}${index === 0 ? '' : index + 1}`,
    tags: [desc.parent.name],
    ...(summary && { summary }),
    ...(comment && { description: comment }),
    parameters: [...pathParameters(contract, binding, schemas), ...queryParameters(contract, binding, schemas)],
    ...requestBody(desc.input, binding, schemas),
    responses: {
      '200': { description: 'OK', content: answerContent(contract, binding, schemas) },
      default: { $ref: '#/components/responses/Problem' },
    },
    // The scopes of a bearer token are the capabilities that its grant must hold: none where any token will do.
    security: contract.public ? [] : [{ token: contract.requires === undefined ? [] : [contract.requires] }],
  };
}

function pathParameters({ desc }: MethodContract, binding: HttpBinding, schemas: Schemas): Parameter[] {
  return pathOf(binding).parameters.map((name) => {
    const field = fieldAt(desc.input, name.split('.'));
    return { name, in: 'path', required: true, schema: field ? schemas.field(field) : { type: 'string' } };
  });
}

function queryParameters({ desc }: MethodContract, binding: HttpBinding, schemas: Schemas): Parameter[] {
  if (binding.body === '*') return [];
  const taken = new Set(binding.template.variables.map(({ field }) => field.join('.')));
  const found: Parameter[] = [];
  const visit = (message: DescMessage, prefix: readonly string[]) => {
    for (const field of message.fields) {
      const names = [...prefix, field.name];
      const name = names.join('.');
      if (taken.has(name) || (prefix.length === 0 && field.name === binding.body)) continue;
      if (planParameter(desc.input, names)) {
        const { description, ...schema } = schemas.field(field);
        found.push({ name, in: 'query', required: false, ...(description && { description }), schema });
      } else if (field.fieldKind === 'message' && prefix.length < QUERY_DEPTH) visit(field.message, names);
    }
  };
  visit(desc.input, []);
  return found;
}

function requestBody(input: DescMessage, binding: HttpBinding, schemas: Schemas): object {
  if (binding.body === undefined) return {};
  const field = input.fields.find((each) => each.name === binding.body);
  const schema = field ? schemas.field(field) : schemas.message(input);
  return { requestBody: { required: true, content: { 'application/json': { schema } } } };
}

function answerContent({ desc }: MethodContract, binding: HttpBinding, schemas: Schemas): object {
  const field = desc.output.fields.find((each) => each.name === binding.responseBody);
  const schema = field ? schemas.field(field) : schemas.message(desc.output);
  if (desc.methodKind === 'unary') return { 'application/json': { schema } };
  return { 'application/x-ndjson': { schema }, 'text/event-stream': { schema } };
}

function fieldAt(message: DescMessage, names: readonly string[]): DescField | undefined {
  let at: DescMessage | undefined = message;
  let field: DescField | undefined;
  for (const name of names) {
    field = at?.fields.find((each) => each.name === name);
    at = field?.message;
  }
  return field;
}
