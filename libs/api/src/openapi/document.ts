import type { DescService } from '@bufbuild/protobuf';
import { comments } from '@writ/proto/comments';
import { readContract } from '../contract/contract.js';
import { PROBLEM_TYPE } from '../errors/problem.js';
import type { JsonSchema } from './json-schema.js';
import { operationOf, pathOf } from './operation.js';
import { Schemas } from './schemas.js';

export interface OpenApiOptions {
  title: string;
  description?: string;
  /** Base URLs, such as `https://writ.example`; default: where the document was read. */
  servers?: readonly string[];
}

/** RFC 9457, with the members of `Problem`. */
const problem: JsonSchema = {
  type: 'object',
  description: 'Problem details (RFC 9457).',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string', format: 'uri', description: '`urn:writ:error:<code>`' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'Permanent; the same over gRPC, in ErrorInfo.metadata.code.' },
    request_id: { type: 'string' },
    hint: { type: 'string', description: 'What to do about it.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          pointer: { type: 'string', description: 'JSON Pointer into the request.' },
          detail: { type: 'string' },
        },
      },
    },
    details: { type: 'object', additionalProperties: true },
  },
};

/**
 * The OpenAPI 3.1 document of services, from their descriptors: paths, parameters, bodies, schemas with the rules of
 * their fields, the required capability as the scope of a bearer token, comments as descriptions.
 */
export function openApiDocument(services: readonly DescService[], options: OpenApiOptions): object {
  const schemas = new Schemas();
  const paths: Record<string, Record<string, object>> = {};
  for (const service of services)
    for (const contract of readContract(service))
      for (const [index, binding] of contract.bindings.entries()) {
        const { path } = pathOf(binding);
        (paths[path] ??= {})[binding.verb.toLowerCase()] = operationOf(contract, binding, index, schemas);
      }
  return {
    openapi: '3.1.0',
    info: { title: options.title, version: 'v1', ...(options.description && { description: options.description }) },
    ...(options.servers && { servers: options.servers.map((url) => ({ url })) }),
    tags: services.map((service) => tagOf(service)),
    paths,
    components: {
      schemas: { ...schemas.used, Problem: problem },
      responses: {
        Problem: {
          description: 'A refusal.',
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function tagOf(service: DescService): object {
  const description = comments[service.typeName];
  return { name: service.name, ...(description && { description }) };
}
