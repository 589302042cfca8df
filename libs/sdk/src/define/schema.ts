import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { WritError } from '../errors/errors.js';

/** Any Standard Schema (https://standardschema.dev): zod, arktype, valibot and others. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the input and output of a schema are inferred from it; `unknown` would refuse every real schema
export type Schema<I = any, O = any> = StandardSchemaV1<I, O>;

/** A schema that can also describe itself as JSON Schema: needed where Writ publishes it (tools over MCP, OpenAPI). */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
export type DescribedSchema<I = any, O = any> = {
  readonly '~standard': StandardSchemaV1.Props<I, O> & StandardJSONSchemaV1.Props<I, O>;
};

/** What a caller gives, before defaults and transforms; `void` without a schema. */
export type In<S> = S extends { readonly '~standard': { readonly types?: { readonly input: infer I } | undefined } }
  ? I
  : void;

/** What the code behind the schema gets, after defaults and transforms; `unknown` without a schema. */
export type Out<S> = S extends { readonly '~standard': { readonly types?: { readonly output: infer O } | undefined } }
  ? O
  : unknown;

/** One thing that is wrong with a value, where the path is a JSON pointer (RFC 6901): `/items/0/name`. */
export interface Violation {
  readonly pointer: string;
  readonly message: string;
}

function pointer(path: StandardSchemaV1.Issue['path']): string {
  return (path ?? [])
    .map((segment) => (typeof segment === 'object' ? segment.key : segment))
    .map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}

/**
 * The value as the schema gives it out.
 * @throws WritError `input.invalid` with `details.errors: Violation[]`
 */
export async function parse<S extends Schema>(schema: S | undefined, value: unknown, what: string): Promise<Out<S>> {
  if (schema === undefined) return value as Out<S>;
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return result.value as Out<S>;
  const errors: Violation[] = result.issues.map((issue) => ({ pointer: pointer(issue.path), message: issue.message }));
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new WritError(
    `${what} is not what its schema asks for: ${first?.pointer || '/'}: ${first?.message ?? 'invalid'}${more}`,
    { code: 'input.invalid', details: { errors } },
  );
}
