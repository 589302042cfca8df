import { partitionsOf, refuse, type ServiceName } from '@writ/ledger/domain';

/** A partition of a service, as the cursor counts them. */
export interface PartitionName {
  readonly service: ServiceName;
  readonly partition: number;
}

/** Every partition of every service, in the fixed order of cursors. Services are only ever added at the end. */
export const everyPartition: readonly PartitionName[] = Object.entries(partitionsOf).flatMap(([service, count]) =>
  Array.from({ length: count }, (_, partition) => ({ service: service as ServiceName, partition })),
);

/** How far a reader has come: the last commit of each partition that it has seen whole, and where it stands in the next. */
export interface Cursor {
  readonly commits: number[];
  /** The commit after `commits[at]` was seen up to and including this event; absent between commits. */
  readonly within?: { readonly at: number; readonly index: number };
}

/** One opaque word: `c1-<commits, base 36>` and, inside a commit, `~<partition>.<index>`. */
export function formatCursor(cursor: Cursor): string {
  const commits = cursor.commits.map((commit) => (commit === 0 ? '' : commit.toString(36))).join('.');
  return `c1-${commits}${cursor.within ? `~${cursor.within.at}.${cursor.within.index}` : ''}`;
}

/** Reads what `formatCursor` wrote; refuses anything else with `event.bad_cursor`. */
export function parseCursor(text: string): Cursor {
  const match = /^c1-([0-9a-z.]*)(?:~(\d{1,4})\.(\d{1,9}))?$/.exec(text);
  const commits = (match?.[1] ?? '').split('.').map((commit) => (commit === '' ? 0 : Number.parseInt(commit, 36)));
  if (!match || commits.length > everyPartition.length || commits.some((commit) => !Number.isSafeInteger(commit)))
    throw refuse(
      'event.bad_cursor',
      `'${text.slice(0, 80)}' is not a cursor of this API; use the one that came with an event`,
    );
  while (commits.length < everyPartition.length) commits.push(0);
  const at = Number(match[2]);
  if (match[2] === undefined || at >= commits.length) return { commits };
  return { commits, within: { at, index: Number(match[3]) } };
}
