import { failureOf } from '@writ/api';
import type { Json } from '@writ/ledger/domain';
import type { Logger } from '@writ/ledger';

/** What was thrown about one of many, as `writ.run.v1.Problem`: what a call for it alone would be refused with. A bug is logged, not shown. */
export function problemOf(error: unknown, log: Logger) {
  const { code, detail, details, violations, retry = false, hint = '', bug } = failureOf(error);
  if (bug !== undefined) log.error({ err: bug }, 'one of many failed by a bug');
  const broken: Json = violations.map(({ field, detail: why }) => ({ field, detail: why }));
  return { code, detail, details: { ...details, ...(violations.length > 0 && { violations: broken }) }, retry, hint };
}
