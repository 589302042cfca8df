/** Problem details (RFC 9457) with Writ's extension members, as the API answers them. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  /** HTTP status; absent where no server was asked. */
  readonly status?: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id?: string;
  readonly hint?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly details?: Readonly<Record<string, unknown>>;
}

type More = Partial<Omit<Problem, 'type' | 'code' | 'detail'>> & { cause?: unknown };

/** What a command ends with instead of its answer. Whatever else is thrown is a bug of this program. */
export class Refused extends Error {
  readonly problem: Problem;

  constructor(code: string, detail: string, { cause, ...more }: More = {}) {
    super(detail, cause === undefined ? undefined : { cause });
    this.problem = { type: `urn:writ:error:${code}`, title: titles[code] ?? titleOf(code), detail, code, ...more };
  }

  /** The document that a server answered with. */
  static by(problem: Problem): Refused {
    const { type: _type, code, detail, ...more } = problem;
    return new Refused(code, detail, more);
  }
}

/** Titles of what is refused on this side. */
const titles: Readonly<Record<string, string>> = {
  'cli.usage': 'The command line is not right',
  'cli.bad_config': 'The configuration cannot be read',
  'cli.bad_input': 'An input cannot be used',
  'cli.bad_archive': 'The archive is not whole',
  'cli.bad_value': 'A value is another one',
  'cli.bad_backup': 'The backup cannot be used',
  'cli.damaged_ledger': 'The ledger is damaged',
  'cli.file_exists': 'The file is there already',
  'cli.needs_confirmation': 'This needs a confirmation',
  'cli.declined': 'It was not confirmed',
  'cli.stack_failed': 'The stack did not start',
  'cli.interrupted': 'Interrupted',
  'cli.failed': 'Something went wrong inside writ',
  'service.unavailable': 'The service cannot be reached',
  'request.deadline_exceeded': 'The time for this call ran out',
  'auth.missing_token': 'There is no identity to call with',
};

/** `proof.not_included` of a library that has codes and no titles. */
const titleOf = (code: string): string => code.replace(/[._]/g, ' ');

/** The problem that an error of any kind stands for; those of the SDK carry their code too. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refused) return error.problem;
  const { code, message, hint, requestId, details } = error as {
    code?: unknown;
    message?: string;
    hint?: string;
    requestId?: string;
    details?: Record<string, unknown>;
  };
  const known = typeof code === 'string' && /^[a-z_]+\.[a-z_]+$/.test(code) ? code : undefined;
  const more = {
    ...(hint && { hint }),
    ...(requestId && { request_id: requestId }),
    ...(known && details && Object.keys(details).length > 0 && { details }),
  };
  return new Refused(known ?? 'cli.failed', message ?? String(error), more).problem;
}
