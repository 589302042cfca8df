import { refuse } from '@writ/ledger/domain';
import { isRunId } from '@writ/enforcement';

const fields = ['state', 'workflow', 'queue', 'agent', 'parent'] as const;
/** Columns of the table and the values that they must have. */
export type RunFilter = Partial<Record<(typeof fields)[number], string>>;

// In quotes a quote and a backslash are escaped by a backslash; control characters are in no name.
const clause = /^\s*(\w+)\s*=\s*("(?:[^"\\\p{Cc}]|\\["\\])*"|[\w.:-]+)\s*(AND\s|$)/u;

/**
 * Reads the part of AIP-160 that lists of runs know: `state = "waiting" AND workflow = "review"`.
 * @throws DomainError `run.bad_filter`
 */
export function readFilter(text: string): RunFilter {
  const filter: RunFilter = {};
  let rest = text;
  while (rest.trim() !== '') {
    const match = clause.exec(rest);
    if (!match) throw refuse('run.bad_filter', `cannot be read from '${rest.trim().slice(0, 40)}' on`);
    const [whole, field = '', value = ''] = match;
    if (!isField(field)) throw refuse('run.bad_filter', `there is no field '${field}'; there are ${fields.join(', ')}`);
    filter[field] = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
    rest = rest.slice(whole.length);
    if (whole.trimEnd().endsWith('AND') && rest.trim() === '') throw refuse('run.bad_filter', 'nothing follows AND');
  }
  return filter;
}

function isField(name: string): name is (typeof fields)[number] {
  return (fields as readonly string[]).includes(name);
}

/** Where a page ends, as it goes to the caller and comes back. */
export function pageToken(last: { created_ms: number; id: string }): string {
  return Buffer.from(JSON.stringify([last.created_ms, last.id])).toString('base64url');
}

/** @throws DomainError `run.bad_filter` */
export function readPageToken(token: string): { createdMs: number; id: string } | undefined {
  if (token === '') return undefined;
  try {
    const [createdMs, id] = JSON.parse(Buffer.from(token, 'base64url').toString()) as [unknown, unknown];
    if (Number.isSafeInteger(createdMs) && typeof id === 'string' && isRunId(id))
      return { createdMs: createdMs as number, id };
  } catch {
    // told below
  }
  throw refuse('run.bad_filter', 'the page token is not one of ours');
}
