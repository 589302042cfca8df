import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { ago } from '../output/text.js';

/** `writ run why` */
export async function why(call: Call, id: string): Promise<void> {
  const body = await (await call.api()).call(routes.whyRun, { id });
  call.out.thing(body, {
    name: id,
    fields: body.reasons.map(({ code, text, since, until, runs, runCount }) => [
      code,
      [
        text,
        since && `since ${since} (${ago(since)})`,
        until && `until ${until} (${ago(until)})`,
        runs.length > 3 &&
          [...runs, ...(runCount > runs.length ? [`and ${runCount - runs.length} more`] : [])].join('\n'),
      ]
        .filter(Boolean)
        .join('\n'),
    ]),
  });
}
