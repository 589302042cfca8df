import type { Problem } from './refused.js';

/** What a script may rely on; `writ --help` lists them. */
export const exit = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAuthenticated: 4,
  denied: 5,
  conflict: 6,
  unreachable: 7,
  endedBadly: 8,
  found: 10,
  interrupted: 130,
} as const;

const byStatus: Readonly<Record<number, number>> = {
  400: exit.usage,
  401: exit.notAuthenticated,
  403: exit.denied,
  404: exit.notFound,
  405: exit.usage,
  408: exit.unreachable,
  409: exit.conflict,
  410: exit.notFound,
  412: exit.conflict,
  413: exit.usage,
  415: exit.usage,
  422: exit.usage,
  428: exit.conflict,
  502: exit.unreachable,
  503: exit.unreachable,
  504: exit.unreachable,
};

/** Codes that come without an HTTP status, and one whose status says something else than a person means. */
const byCode: Readonly<Record<string, number>> = {
  'cli.usage': exit.usage,
  'cli.bad_config': exit.usage,
  'cli.bad_input': exit.usage,
  'cli.bad_backup': exit.found,
  'cli.damaged_ledger': exit.found,
  'cli.needs_confirmation': exit.usage,
  'cli.file_exists': exit.conflict,
  'cli.interrupted': exit.interrupted,
  'service.unavailable': exit.unreachable,
  'request.deadline_exceeded': exit.unreachable,
  'auth.wrong_tenant': exit.notAuthenticated,
};

/** The exit code of a problem: by its code, else by its HTTP status. */
export function exitCodeOf({ code, status }: Problem): number {
  const known = byCode[code];
  if (known !== undefined) return known;
  if (status !== undefined) return byStatus[status] ?? exit.failed;
  if (code.startsWith('auth.')) return exit.notAuthenticated;
  if (code === 'policy.denied' || code.startsWith('identity.')) return exit.denied;
  return exit.failed;
}
