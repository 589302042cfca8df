import { beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { AuditService } from '@writ/proto/audit/v1/audit';
import { EventService } from '@writ/proto/event/v1/event';
import { IdentityService } from '@writ/proto/identity/v1/identity';
import { MemoryService } from '@writ/proto/memory/v1/memory';
import { ApprovalService, PolicyService } from '@writ/proto/policy/v1/policy';
import { RunService } from '@writ/proto/run/v1/run';
import { ArtifactService, SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { CaseService } from '@writ/proto/testing/v1/case';
import { ToolService } from '@writ/proto/tools/v1/tools';
import { openApiDocument } from './document.js';

type Operation = {
  parameters: { name: string; schema: object }[];
  security: object[];
  requestBody?: object;
  responses: Record<string, { content?: object }>;
};
type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Record<string, never>> };
};

describe('the OpenAPI document', () => {
  let document: Document;
  beforeAll(() => {
    document = openApiDocument([CaseService], { title: 'cases' }) as Document;
  });

  test('of every service of the contract is valid OpenAPI 3.1', async () => {
    const services = [
      IdentityService,
      PolicyService,
      ApprovalService,
      RunService,
      SandboxService,
      ArtifactService,
      MemoryService,
      ToolService,
      AuditService,
      EventService,
      CaseService,
    ];
    const result = await new Validator().validate(
      openApiDocument(services, { title: 'Writ', servers: ['https://writ.example'] }) as never,
    );
    expect(result).toEqual({ valid: true });
  });

  test('has a path for each binding, verbs and many segments included', () => {
    expect(Object.keys(document.paths)).toEqual([
      '/v1/items/{id}',
      '/v1/shelves/{name_1}/items/{name_2}',
      '/v1/items',
      '/v1/items/{item.id}',
      '/v1/items/{id}:stop',
      '/v1/me',
      '/v1/ping',
      '/v1/count',
    ]);
  });

  test('lists nested query parameters, and none beside a body that is everything', () => {
    expect(document.paths['/v1/items']?.['get']?.parameters.map((each) => each.name)).toEqual([
      'page_size',
      'page_token',
      'filter.text',
      'filter.materials',
      'fields',
      'since',
      'descending',
      'at_least',
    ]);
    expect(document.paths['/v1/items/{id}:stop']?.['post']?.parameters.map((each) => each.name)).toEqual(['id']);
    expect(document.paths['/v1/items/{item.id}']?.['patch']?.parameters.map((each) => each.name)).toEqual([
      'item.id',
      'update_mask',
      'validate_only',
    ]);
  });

  test('carries rules, comments, oneofs and the required capability', () => {
    const { 'writ.testing.v1.Item': item, 'writ.testing.v1.CreateItemRequest': _absent } = document.components.schemas;
    expect(item).toMatchObject({
      description: 'One of each kind of field.',
      properties: {
        id: { pattern: '^[a-z0-9_:/ ]*$', description: 'Letters, digits and underscores.' },
        tags: { maxItems: 8 },
        grams: { type: 'string', format: 'int64' },
        ttl: { pattern: expect.any(String) },
      },
      allOf: [{ not: { required: ['person', 'agent'] } }],
    });
    expect(document.paths['/v1/items']?.['get']).toMatchObject({
      security: [{ token: ['item.read'] }],
      parameters: expect.arrayContaining([
        expect.objectContaining({ name: 'page_size', schema: expect.objectContaining({ minimum: 0, maximum: 1000 }) }),
      ]),
    });
    expect(document.paths['/v1/me']?.['get']?.security).toEqual([{ token: [] }]);
    expect(document.paths['/v1/ping']?.['get']?.security).toEqual([]);
    expect(Object.keys(document.paths['/v1/count']?.['get']?.responses['200']?.content ?? {})).toEqual([
      'application/x-ndjson',
      'text/event-stream',
    ]);
  });
});
