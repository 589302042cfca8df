import { randomUUID } from 'node:crypto';
import type { Answer } from '../api/route.js';
import { routes } from '../api/routes.js';
import type { Call } from '../command/call.js';
import { Refused } from '../failure/refused.js';

type Budget = NonNullable<NonNullable<Answer<typeof routes.getRun>['run']>['budget']>;
type Amount = NonNullable<Budget['used']>;

const wholes = ['tokens', 'toolCalls', 'children'] as const;
const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * `usd=2.5,tokens=100000,toolCalls=20,children=5,time=2h,depth=1`, as the API takes it.
 * @throws Refused `cli.usage`
 */
export function limitsOf(text: string, flag: string): object {
  const limits: Record<string, string | number> = {};
  for (const part of text.split(',')) {
    const [, name = '', value = ''] = /^\s*(\w+)\s*=\s*(\S+)\s*$/.exec(part) ?? [];
    const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
    if (name === 'usd' && /^\d{1,7}(\.\d{1,9})?$/.test(value)) limits['nanoUsd'] = nanoUsd(value);
    else if (name === 'time' && count !== '') limits['time'] = `${Number(count) * (unitSeconds[unit] as number)}s`;
    else if (name === 'depth' && /^\d$/.test(value)) limits['depth'] = Number(value);
    else if (wholes.some((of) => of === name) && /^\d{1,15}$/.test(value)) limits[name] = value;
    else
      throw new Refused(
        'cli.usage',
        `${flag} does not understand '${part}': write usd=2.5,tokens=100000,toolCalls=20,children=5,time=2h`,
      );
  }
  return limits;
}

/** Without a detour over binary fractions. */
function nanoUsd(value: string): string {
  const [whole = '0', fraction = ''] = value.split('.');
  return String(BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0')));
}

/** `writ run budget` */
export async function budget(call: Call, id: string, add: string | undefined): Promise<void> {
  const api = await call.api();
  if (add !== undefined) {
    const body = await api.call(routes.addBudget, {
      id,
      add: limitsOf(add, '--add') as never,
      idempotencyKey: randomUUID(),
    });
    return call.out.receipt(body, id, `has ${add} more; see it with \`writ run budget ${id}\``);
  }
  const body = await api.call(routes.getRun, { id });
  const of = body.run?.budget;
  if (of === undefined) return call.out.receipt({}, id, 'has no limits');
  call.out.thing(of, { name: id, fields: Object.entries(budgetTexts(of)) });
}

/** What of a budget is shown, by its name: `tokens` to `100 used, 50 reserved, of 1000`. */
export function budgetTexts({ account, limits, used, reserved, deadline, approvalId, children = [] }: Budget) {
  const texts: Record<string, string | undefined> = { account };
  for (const of of ['nanoUsd', ...wholes] as const) {
    const [name, has, held, most] = [of === 'nanoUsd' ? 'usd' : of, used?.[of], reserved?.[of], limits?.[of]];
    const shown = (value: string | undefined) => (of === 'nanoUsd' ? String(Number(value ?? 0) / 1e9) : (value ?? '0'));
    if (most === undefined && Number(has ?? 0) + Number(held ?? 0) === 0) continue;
    const more = Number(held ?? 0) > 0 ? `, ${shown(held)} reserved` : '';
    texts[name] = `${shown(has)} used${more}${most === undefined ? '' : `, of ${shown(most)}`}`;
  }
  texts['until'] = deadline;
  texts['asked for more'] = approvalId || undefined;
  const spent = children.map(
    ({ run, used: has, reserved: held }) =>
      `${run || 'others'}: ${amountText(has)}${held && amountText(held) ? ` (reserved: ${amountText(held)})` : ''}`,
  );
  texts['by'] = spent.length > 0 ? spent.join('\n') : undefined;
  return texts;
}

/** The same on few lines. */
export function budgetText(of: Budget): string {
  const { account, by, ...texts } = budgetTexts(of);
  if (!of.limits) return `of ${account ?? ''}`;
  const lines = Object.entries(texts).flatMap(([name, text]) => (text ? [`${name} ${text}`] : []));
  return [...lines, ...(by ? [by] : [])].join('\n');
}

function amountText(amount: Amount | undefined): string {
  const { nanoUsd: nano = '0', tokens = '0', toolCalls = '0', children = '0' } = amount ?? {};
  const rest = { tokens, toolCalls, children };
  const usd = Number(nano) > 0 ? [`${Number(nano) / 1e9} USD`] : [];
  return [...usd, ...wholes.flatMap((of) => (Number(rest[of]) > 0 ? [`${rest[of]} ${of}`] : []))].join(', ');
}
