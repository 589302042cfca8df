import { newId } from '../client/ids.js';
import { countedAmount, type Amount, type Spending } from '../define/limits.js';
import type { Effects } from './effects.js';

/** `ctx.spend` in a step. Each is one of its own: what a step that is made again spends it spends again. */
export async function spend(effects: Effects, runId: string, amount: Amount): Promise<Spending> {
  const reservation = newId('spd');
  await effects.reserve(runId, reservation, countedAmount(amount));
  return { settle: (used) => effects.settle(runId, reservation, countedAmount(used)) };
}
