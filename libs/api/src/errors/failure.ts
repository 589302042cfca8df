import { DomainError, type Json } from '@writ/ledger/domain';
import { entryOf, type CatalogueEntry } from './catalogue.js';

/** One field that breaks a rule. */
export interface FieldViolation {
  /** Path in proto names, such as `item.tags[2]`. */
  field: string;
  detail: string;
}

/** An error as both edges render it: RFC 9457 over HTTP, google.rpc.Status over gRPC. */
export interface Failure extends CatalogueEntry {
  code: string;
  detail: string;
  details: Readonly<Record<string, Json>>;
  violations: readonly FieldViolation[];
  /** Set for a bug: to be logged, never to be shown. */
  bug?: unknown;
}

const internal: CatalogueEntry = { status: 500, title: 'Something went wrong inside Writ' };

type Translation = (error: unknown) => DomainError | undefined;
const translations = new Set<Translation>();

/** Lets whoever knows what a process stands on say what an error of that means to a caller; otherwise it is a bug. */
export function registerTranslation(translate: Translation): void {
  translations.add(translate);
}

/** What to tell the caller about anything that was thrown. Text of an unexpected error never leaves the process. */
export function failureOf(error: unknown): Failure {
  if (error instanceof DomainError) return refusal(error);
  if (error instanceof Error && error.name === 'AbortError')
    return {
      ...(entryOf('request.cancelled') as CatalogueEntry),
      code: 'request.cancelled',
      detail: 'the call was cancelled',
      details: {},
      violations: [],
    };
  for (const translate of translations) {
    const meaning = translate(error);
    if (meaning) return refusal(meaning);
  }
  return bug(error);
}

function refusal(error: DomainError): Failure {
  const entry = entryOf(error.code);
  if (!entry) return bug(error);
  const { violations, ...details } = error.details;
  return { ...entry, code: error.code, detail: error.message, details, violations: readViolations(violations) };
}

function bug(error: unknown): Failure {
  return {
    ...internal,
    code: 'internal.error',
    detail: 'the failure was logged under the request id',
    details: {},
    violations: [],
    bug: error,
  };
}

function readViolations(value: Json | undefined): FieldViolation[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each) =>
    each !== null &&
    typeof each === 'object' &&
    !Array.isArray(each) &&
    typeof each['field'] === 'string' &&
    typeof each['detail'] === 'string'
      ? [{ field: each['field'], detail: each['detail'] }]
      : [],
  );
}

/** A refusal of the request's fields, `request.invalid`. */
export function invalid(violations: readonly FieldViolation[]): DomainError {
  const first = violations[0];
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : '';
  const detail = first ? `${first.field || 'the request'}: ${first.detail}${more}` : 'the request breaks a rule';
  return new DomainError('request.invalid', detail, {
    violations: violations.map(({ field, detail }) => ({ field, detail })),
  });
}
