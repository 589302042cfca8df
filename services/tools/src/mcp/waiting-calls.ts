import { hash } from 'node:crypto';
import type { ActingCaller } from '@writ/enforcement';
import type { Json } from '@writ/ledger/domain';

/** Calls that may wait at once; beyond that the oldest is forgotten, and its repeat asks anew. */
const KEPT = 10_000;
/** For an approval whose end is not known here. */
const HOUR_MS = 3_600_000;

interface Waiting {
  readonly effectId: string;
  readonly untilMs: number;
}

/**
 * Calls that wait for a person. MCP has no name for an effect, and a client that was told to wait just makes the same call again:
 * the same caller's same call then stands for the one that was asked about, until the approval ends. A denial holds as long.
 */
export class WaitingCalls {
  private readonly waiting = new Map<string, Waiting>();

  constructor(private readonly now: () => number = Date.now) {}

  /** The effect that this call is about, if it was asked about before. */
  effectOf(caller: ActingCaller, tool: string, input: Json): string | undefined {
    if (this.waiting.size === 0) return undefined; // as nearly always, and then no key is made
    const found = this.waiting.get(keyOf(caller, tool, input));
    return found !== undefined && found.untilMs > this.now() ? found.effectId : undefined;
  }

  /** A person was asked. @param expires ISO 8601; the first answer has it */
  asked(caller: ActingCaller, tool: string, input: Json, effectId: string, expires: string | undefined): void {
    const key = keyOf(caller, tool, input);
    if (this.waiting.get(key)?.effectId === effectId) return;
    const untilMs = expires === undefined ? this.now() + HOUR_MS : Date.parse(expires);
    if (this.waiting.size >= KEPT) this.waiting.delete(this.waiting.keys().next().value as string);
    this.waiting.set(key, { effectId, untilMs });
  }

  /** It was made, or can be made no more: the next such call is another one. */
  settled(caller: ActingCaller, tool: string, input: Json): void {
    if (this.waiting.size > 0) this.waiting.delete(keyOf(caller, tool, input));
  }
}

function keyOf({ tenant, principal, run }: ActingCaller, tool: string, input: Json): string {
  return hash('sha256', JSON.stringify([tenant, principal, run, tool, input]), 'base64');
}
