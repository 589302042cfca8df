import type { Json } from './events.js';

/** A refusal to act, told with a permanent code of an {@link ErrorCatalogue}. Anything else that is thrown is a bug. */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  readonly code: string;
  readonly details: Readonly<Record<string, Json>>;

  /** @param detail says what was wrong, with which value, and what to do. */
  constructor(code: string, detail: string, details: Record<string, Json> = {}, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
    this.details = details;
  }
}

/** Makes a refusal: `throw refuse('sandbox.not_found', 'nothing was ever started under this id')`. */
export function refuse(code: string, detail: string, details?: Record<string, Json>): DomainError {
  return new DomainError(code, detail, details);
}

/** The refusals of one service: code to HTTP status and title. `retry`: the same request may succeed later. */
export type ErrorCatalogue = Record<string, { status: number; title: string; retry?: boolean; hint?: string }>;

/** What the ledger itself refuses. */
export const ledgerErrors = {
  'ledger.unavailable': {
    status: 503,
    title: 'No owner of this partition could commit the change',
    retry: true,
    hint: 'Nothing is known to have happened; repeat the request with the same id.',
  },
  'ledger.timeout': {
    status: 504,
    title: 'The change was sent but its outcome did not arrive in time',
    retry: true,
    hint: 'Repeat the request with the same id: it is applied once.',
  },
  'ledger.too_large': {
    status: 413,
    title: 'The change is larger than one commit may be',
    hint: 'Put large values into the blob store and refer to them by their hash.',
  },
  'ledger.disk_full': {
    status: 507,
    title: 'The broker has no room for the change, or its disk takes no more',
    retry: true,
    hint: 'Nothing was changed. Make room for the broker or raise its limit; where its log tells of write errors, restart it then.',
  },
  'ledger.too_deep': {
    status: 400,
    title: 'The change nests deeper than every reader of the ledger can follow',
    hint: 'Put deeply nested values into the blob store, or into a text.',
  },
  'ledger.unknown_command': { status: 400, title: 'No aggregate of this service takes such a command' },
  'ledger.decider_failed': { status: 500, title: 'The decision failed by a bug; nothing was changed' },
} as const satisfies ErrorCatalogue;
