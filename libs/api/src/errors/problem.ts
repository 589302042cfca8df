import type { Json } from '@writ/ledger/domain';
import type { Failure } from './failure.js';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457 problem details, with our extension members. */
export interface Problem {
  /** `urn:writ:error:<code>`; the code is permanent. */
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  request_id: string;
  hint?: string;
  /** Fields that break a rule; `pointer` is a JSON Pointer (RFC 6901) into the request in its JSON form. */
  errors?: { pointer: string; detail: string }[];
  /** What varies, machine-readable; the same values stand in gRPC's ErrorInfo.metadata. */
  details?: Record<string, Json>;
}

export function problemOf(failure: Failure, requestId: string): Problem {
  return {
    type: `urn:writ:error:${failure.code}`,
    title: failure.title,
    status: failure.status,
    detail: failure.detail,
    code: failure.code,
    request_id: requestId,
    ...(failure.hint && { hint: failure.hint }),
    ...(failure.violations.length > 0 && {
      errors: failure.violations.map(({ field, detail }) => ({ pointer: pointerOf(field), detail })),
    }),
    ...(Object.keys(failure.details).length > 0 && { details: { ...failure.details } }),
  };
}

/** `item.tags[2]` becomes `#/item/tags/2`; names in the JSON mapping's camelCase. */
function pointerOf(field: string): string {
  const parts = field.match(/[^.[\]"]+/g) ?? [];
  return `#${parts.map((part) => `/${part.replace(/(?<=[a-z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())}`).join('')}`;
}
