import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Amount as WireAmount, Limits as WireLimits } from '@writ/proto/run/v1/budget';
import { quantities } from '../run/budget.js';
import type { RunRow } from '../view/run-view.js';
import type { Amount, Limits } from '../run/budget.events.js';
import type { BudgetFacts, RunFacts } from '../partition/control.js';

/** Limits as they were asked for. */
export function limitsOf(limits: WireLimits): Limits {
  const read: Limits = {};
  for (const of of quantities) if (limits[of] !== undefined) read[of] = Number(limits[of]);
  if (limits.time) read.timeMs = Number(limits.time.seconds) * 1000 + Math.floor(limits.time.nanos / 1e6);
  if (limits.depth !== undefined) read.depth = limits.depth;
  return read;
}

/** Without what is nothing. */
export function amountOf(amount: WireAmount | undefined): Amount {
  const read: Amount = {};
  for (const of of quantities) if (amount?.[of]) read[of] = Number(amount[of]);
  return read;
}

function wire(amount: Amount) {
  const { nanoUsd = 0, tokens = 0, toolCalls = 0, children = 0 } = amount;
  return {
    nanoUsd: BigInt(nanoUsd),
    tokens: BigInt(tokens),
    toolCalls: BigInt(toolCalls),
    children: BigInt(children),
  };
}

/** Of a run; of one that has ended what its last event says. */
export function budgetOf(run: string, facts: RunFacts | undefined, { waits }: RunRow) {
  if (facts?.budget) return budgetMessage(facts.budget);
  if (!waits.budget) return undefined;
  const { limits, used } = waits.budget;
  return budgetMessage({ account: run, own: { limits, used, reserved: {}, children: [] } });
}

function budgetMessage({ account, deadline, own }: BudgetFacts) {
  const about = { account, ...(deadline !== undefined && { deadline: timestampFromMs(Date.parse(deadline)) }) };
  if (!own) return about;
  const { limits, used, reserved, approval = '', children } = own;
  const bounds = Object.fromEntries(Object.entries(limits).map(([of, most]) => [of, BigInt(most ?? 0)]));
  return {
    ...about,
    limits: bounds,
    used: wire(used),
    reserved: wire(reserved),
    approvalId: approval,
    children: children.map(([run, spent, held]) => ({ run, used: wire(spent), reserved: wire(held) })),
  };
}
