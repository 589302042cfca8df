import type { Caller } from '@writ/api';
import { valueOf, type ActionRequest, type Enforcement } from '@writ/enforcement';
import { newId, type Json } from '@writ/ledger/domain';

/** What is asked of the pipeline, without what is the same for every action here. */
export interface Asked {
  readonly action: string;
  readonly resource: { readonly type: 'Sandbox' | 'Artifact'; readonly id: string };
  readonly arguments: { readonly [name: string]: Json };
  readonly effectId: string;
  readonly effect?: 'read' | 'idempotent' | 'write';
}

/** The value of what was done now, or the summary of what was done before under the same effect id. */
export type Done<T> = { readonly now: T } | { readonly before: Json };

/**
 * Does something through the whole pipeline, whoever asks: policy, approval, intent, act, outcome. `summary` is what is recorded, and what
 * a repeat gets.
 *
 * @throws DomainError as `Enforcement.perform`, and `policy.denied`, `policy.approval_required`, `action.outcome_unknown`
 */
export async function permitted<T>(
  enforcement: Enforcement,
  caller: Caller,
  asked: Asked,
  act: (signal: AbortSignal) => Promise<T>,
  summary: (value: T) => Json = () => null,
): Promise<Done<T>> {
  const request: ActionRequest<T> = { caller, ...asked, effectId: asked.effectId || newId('act'), summary };
  const performed = await enforcement.perform(request, ({ signal }) => act(signal));
  if (performed.outcome === 'done') return { now: performed.value };
  return { before: valueOf(performed) as Json };
}
