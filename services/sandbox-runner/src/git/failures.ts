import { DomainError, refuse } from '@writ/ledger/domain';
import { GitFailed } from './git.js';

/**
 * What Git said, in the words of the API; anything but a failure of Git stays as it is.
 *
 * @param what was worked on
 * @param hidden folder of the host whose path is nobody's business
 */
export function explained(error: unknown, what: string, hidden: string): unknown {
  if (!(error instanceof GitFailed)) return error;
  const said = error.stderr
    .replaceAll(/^(fatal|error|remote): /gm, '')
    .replaceAll(hidden, '')
    .replaceAll(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, ' ')
    .trim()
    .slice(0, 500);
  const detail = `${what}: ${said === '' ? 'Git was ended' : said}`;
  const refusal = (code: string): DomainError => refuse(code, detail, { source: what });
  if (/not appear to be a git repository|not a git repository|not found|does not exist/i.test(said))
    return refusal('artifact.not_a_repository');
  if (/out of memory|unable to create thread|cannot allocate memory/i.test(said)) return refusal('artifact.too_large');
  if (/no space left on device|disk quota exceeded/i.test(said)) return refusal('artifact.host_full');
  return refusal('artifact.import_failed');
}
