import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Json } from './json.js';

export type HttpVerb = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** One method of the API as REST has it, with the types of its request and answer. */
export interface Route<I = never, O = unknown> {
  /** `writ.run.v1.RunService.StartRun` */
  readonly name: string;
  readonly verb: HttpVerb;
  /** With `{field}` where a field of the request stands in the path. */
  readonly path: string;
  /** Answered without a token. */
  readonly public?: boolean;
  readonly _?: (request: I) => O;
}

type Methods = Record<string, { readonly input: DescMessage; readonly output: DescMessage }>;
type Service = { readonly method: Methods };

/** Makes the routes of one service; a test holds their paths against the annotations in `proto/`. */
export function routesOf<S extends Service>(service: string) {
  return <M extends keyof S['method'] & string>(
    method: M,
    verb: HttpVerb,
    path: string,
    more: { public?: boolean } = {},
  ): Route<Json<MessageShape<S['method'][M]['input']>>, Json<MessageShape<S['method'][M]['output']>>> => ({
    name: `${service}.${method.slice(0, 1).toUpperCase()}${method.slice(1)}`,
    verb,
    path,
    ...more,
  });
}

/** What a route's answer looks like. */
export type Answer<R> = R extends Route<never, infer O> ? O : never;
