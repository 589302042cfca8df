/** The REST routes as the merged OpenAPI document tells them, and requests that look like what each of them takes. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: 'path' | 'query'; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Route {
  readonly method: string;
  /** With `{name}` where a value stands. */
  readonly template: string;
  readonly inPath: readonly string[];
  readonly inQuery: readonly { readonly name: string; readonly type: string }[];
  /** The fields of the body; undefined where there is none. */
  readonly fields?: Readonly<Record<string, Schema>>;
  /** A body of the right types. */
  readonly body?: Readonly<Record<string, unknown>>;
}

export function routesOf(document: OpenApi): Route[] {
  return Object.entries(document.paths).flatMap(([template, operations]) =>
    Object.entries(operations).map(([method, { parameters = [], requestBody }]): Route => {
      const schema = requestBody && resolved(document, requestBody.content['application/json'].schema);
      return {
        method: method.toUpperCase(),
        template,
        inPath: parameters.filter((each) => each.in === 'path').map(({ name }) => name),
        inQuery: parameters
          .filter((each) => each.in === 'query')
          .map(({ name, schema: { type } }) => ({ name, type: String(type) })),
        ...(schema && {
          fields: schema.properties ?? {},
          body: sample(document, schema, 0) as Record<string, unknown>,
        }),
      };
    }),
  );
}

function resolved(document: OpenApi, schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : (document.components.schemas[name] ?? {});
}

function sample(document: OpenApi, given: Schema, depth: number): unknown {
  const schema = resolved(document, given);
  if (schema.enum !== undefined) return schema.enum.at(-1);
  const choice = schema.oneOf?.[0] ?? schema.anyOf?.[0];
  if (schema.type === undefined && choice !== undefined) return sample(document, choice, depth);
  switch (schema.type) {
    case 'string':
      return 'x';
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return true;
    case 'array':
      return depth > 3 || schema.items === undefined ? [] : [sample(document, schema.items, depth + 1)];
    default:
      if (depth > 3) return {};
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, each]) => [name, sample(document, each, depth + 1)]),
      );
  }
}
