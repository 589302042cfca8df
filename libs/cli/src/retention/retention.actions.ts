import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { durationOf, jsonOf } from '../command/input.js';
import { Refused } from '../failure/refused.js';
import type { Column } from '../output/table.js';
import { confirm } from '../prompt/confirm.js';

type Rule = Answer<typeof routes.getRetention>['rules'][number];

const columns: readonly Column<Rule>[] = [
  { head: 'WORKFLOW', of: ({ workflow }) => workflow || 'every other' },
  { head: 'STATES', of: ({ states }) => states.join(', '), flexible: true },
  { head: 'KEPT FOR', of: ({ keep }) => keep ?? '', right: true },
];

export async function get(call: Call): Promise<void> {
  const body = await (await call.api()).call(routes.getRetention, {});
  call.out.list(body, { rows: body.rules, columns, name: ({ workflow }) => workflow, empty: 'everything is kept' });
}

export async function set(call: Call, text: string): Promise<void> {
  const given = await jsonOf(text, 'the rules');
  if (!Array.isArray(given)) throw new Refused('cli.bad_input', 'the rules are a list: [{"keep":"30d"}]');
  const rules = given.map((each) => {
    const { keep, ...rest } = (each ?? {}) as { keep?: unknown };
    if (typeof keep !== 'string') throw new Refused('cli.bad_input', 'a rule says how long: {"keep":"30d"}');
    return { ...rest, keep: durationOf(keep, 'keep') };
  });
  await confirm(call, `Delete runs by ${rules.length} rules from now on?`);
  const body = await (await call.api()).call(routes.setRetention, { rules: rules as never });
  call.out.receipt(body, '', rules.length > 0 ? 'set' : 'everything is kept');
}
