import { getOption, type DescMethod, type DescService } from '@bufbuild/protobuf';
import { http as httpOption } from '@writ/proto/google/api/annotations';
import type { HttpRule } from '@writ/proto/google/api/http';
import {
  authenticated as authenticatedOption,
  public$ as publicOption,
  requires as requiresOption,
} from '@writ/proto/api/v1/options';
import { parseTemplate, type PathTemplate } from './path-template.js';

export type HttpVerb = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';

/** One `google.api.http` rule: how a method is reached over HTTP. */
export interface HttpBinding {
  verb: HttpVerb;
  template: PathTemplate;
  /** `*`: the whole request; a field's proto name: that field; absent: no body. */
  body?: string;
  /** Proto name of the field that is the whole answer. */
  responseBody?: string;
}

/** What the .proto file says about one method. */
export interface MethodContract {
  /** `/writ.run.v1.RunService/StartRun`, as on the gRPC wire. */
  path: string;
  /** `writ.run.v1.RunService.StartRun`. */
  name: string;
  desc: DescMethod;
  /** The capability that the caller's grant must hold; absent on a public method, and where any valid token will do. */
  requires?: string;
  /** Needs no token. */
  public: boolean;
  bindings: readonly HttpBinding[];
}

/**
 * Reads the contract of a service.
 *
 * @param open true for services of other projects (health, reflection) that cannot carry our options: all public.
 * @throws Error when a method names neither a capability nor `authenticated` nor `public`, or more than one of them:
 * nothing may be reachable by omission.
 */
export function readContract(service: DescService, open = false): MethodContract[] {
  return service.methods.map((desc) => {
    const name = `${service.typeName}.${desc.name}`;
    const requires = getOption(desc, requiresOption);
    const isPublic = open || getOption(desc, publicOption);
    const said = [requires !== '', isPublic, getOption(desc, authenticatedOption)].filter(Boolean).length;
    if (said !== 1)
      throw new Error(
        `${name} must say one of (writ.api.v1.requires), (writ.api.v1.authenticated) and (writ.api.v1.public)`,
      );
    const rule = getOption(desc, httpOption);
    const path = `/${service.typeName}/${desc.name}`;
    return {
      path,
      name,
      desc,
      ...(requires !== '' && { requires }),
      public: isPublic,
      bindings: bindingsOf(rule, name),
    };
  });
}

const verbs = { get: 'GET', put: 'PUT', post: 'POST', delete: 'DELETE', patch: 'PATCH' } as const;

function bindingsOf(rule: HttpRule, name: string): HttpBinding[] {
  const { pattern } = rule;
  const more = rule.additionalBindings.flatMap((each) => bindingsOf(each, name));
  if (pattern.case === undefined) return more;
  if (pattern.case === 'custom') throw new Error(`${name}: custom HTTP verbs are not supported`);
  const binding: HttpBinding = {
    verb: verbs[pattern.case],
    template: parseTemplate(pattern.value),
    ...(rule.body !== '' && { body: rule.body }),
    ...(rule.responseBody !== '' && { responseBody: rule.responseBody }),
  };
  return [binding, ...more];
}
