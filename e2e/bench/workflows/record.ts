/** What the index of the record has, counted. */
import { eventually } from '@writ/testkit';
import type { Rest } from '../../demo/rest.js';

interface Page {
  readonly events?: readonly {
    readonly event: { readonly subject: string; readonly data: { readonly name?: string } };
  }[];
  readonly nextPageToken?: string;
}

/** Things (ends of runs, steps by name) that have an event of this type, and how many have more than one; waits a while for `expected`. */
export async function recordedTimes(
  person: Rest,
  type: string,
  expected: number,
): Promise<{ size: number; twice: number }> {
  let last = { size: 0, twice: 0 };
  const look = async (): Promise<boolean> => (last = await count(person, type)).size >= expected;
  await eventually(look, { timeoutMs: 30_000, everyMs: 1_000 }).catch(() => {}); // what is missing then is lost
  return last;
}

async function count(person: Rest, type: string): Promise<{ size: number; twice: number }> {
  const seen = new Set<string>();
  let twice = 0;
  for (let pageToken: string | undefined = ''; pageToken !== undefined;) {
    const query = new URLSearchParams({ type, page_size: '1000', page_token: pageToken });
    const page: Page = await person.get<Page>(`/v1/audit/events?${query}`);
    for (const { event } of page.events ?? []) {
      const what = `${event.subject}/${event.data.name ?? ''}`;
      if (seen.has(what)) twice++;
      seen.add(what);
    }
    pageToken = page.nextPageToken || undefined;
  }
  return { size: seen.size, twice };
}
