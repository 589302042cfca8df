/** Many agents that call at a steady rate while authority is taken away, and the judgement on what they were still let do. */
import { eventually } from '@writ/testkit';
import type { RecordedEvent } from '../demo/afterwards.js';
import type { Rest } from '../demo/rest.js';
import { callOf, now, type Call, type Kind, type Target } from './revocation-calls.js';
import type { Acting } from './revocation-cast.js';

export interface Caller {
  readonly by: Acting;
  readonly kinds: readonly Kind[];
  readonly target: Target;
}

/** One revocation: when it was acknowledged, and when each enforcement point was first seen to refuse. */
export interface Revocation {
  readonly subject: string;
  readonly acknowledgedMs: number;
  readonly refusedMs: Readonly<Partial<Record<Kind, number>>>;
}

const REFUSED_WITHIN_MS = 10_000;

/** Calls at a steady rate, the agents in turn. One that still waits for its last answer is left out: it does not call either. */
export class Load {
  readonly calls: Call[] = [];
  readonly revocations: Revocation[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly underWay = new Map<Caller, Promise<void>>();
  private readonly startedMs = now();
  private turn = 0;

  constructor(
    private readonly callers: readonly Caller[],
    perSecond: number,
  ) {
    let due = 0;
    this.timer = setInterval(() => {
      due = Math.min(due + (perSecond * 10) / 1000, perSecond);
      for (; due >= 1; due--) this.next();
    }, 10);
  }

  /** Calls that were answered in each second so far. */
  get perSecond(): number {
    return (this.calls.length * 1000) / (now() - this.startedMs);
  }

  /** Takes authority away while one whom it concerns calls every enforcement point without a pause. */
  async revoke(who: Rest, subject: string, { by, kinds, target }: Caller): Promise<Revocation> {
    const ended = new AbortController();
    const refusedMs: Partial<Record<Kind, number>> = {};
    const probing = kinds.map((kind) => {
      let accepted = () => {};
      const first = new Promise<void>((resolve) => (accepted = resolve));
      const refused = (async () => {
        while (!ended.signal.aborted) {
          const call = await callOf(kind, by, target);
          this.calls.push(call);
          if (!call.accepted) return void (refusedMs[kind] = call.answeredMs);
          accepted();
        }
      })();
      return { first: Promise.race([first, refused]), refused };
    });
    await Promise.all(probing.map(({ first }) => first));
    const early = Object.keys(refusedMs);
    if (early.length > 0)
      throw new Error(`${by.agent} was refused (${early.join(', ')}) before ${subject} was revoked`);
    await who.post('/v1/revocations', { subject, reason: 'measured' });
    const revocation = { subject, acknowledgedMs: now(), refusedMs };
    this.revocations.push(revocation);
    const late = setTimeout(() => ended.abort(), REFUSED_WITHIN_MS);
    await Promise.all(probing.map(({ refused }) => refused));
    clearTimeout(late);
    return revocation;
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.underWay.values());
  }

  private next(): void {
    const turn = this.turn++;
    const caller = this.callers[turn % this.callers.length] as Caller;
    if (this.underWay.has(caller)) return;
    const { by, kinds, target } = caller;
    const kind = kinds[Math.floor(turn / this.callers.length) % kinds.length] as Kind;
    const call = callOf(kind, by, target).then((made) => {
      this.calls.push(made);
      this.underWay.delete(caller);
    });
    this.underWay.set(caller, call);
  }
}

/** What was done after its authority was taken away. */
export interface Verdict {
  /** Calls of whom it concerned, accepted later than the allowance behind the acknowledgement. */
  readonly late: readonly { readonly what: string; readonly afterMs: number }[];
  /** The last one accepted at all: so many milliseconds behind its acknowledgement, negative when before. */
  readonly lastAcceptedMs: number;
  /** Acknowledgement to the first refusal, one for each enforcement point and revocation, sorted; 0 when it came before. */
  readonly latencies: readonly number[];
  /** Refusals of whom it concerned, after the acknowledgement, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

/**
 * Judges by the ledger: an action counts from when the service accepted it, which is the time of its intent. Of a read the ledger says
 * nothing; it counts from its answer, which came later than it was accepted.
 */
export async function judge(load: Load, tenants: readonly Rest[], allowanceMs: number): Promise<Verdict> {
  const late: { what: string; afterMs: number }[] = [];
  let lastAcceptedMs = Number.NEGATIVE_INFINITY;
  const accepted = (what: string, whose: Whose, atMs: number) => {
    const acknowledgedMs = acknowledged(load.revocations, whose);
    if (acknowledgedMs === undefined) return;
    const afterMs = atMs - acknowledgedMs;
    lastAcceptedMs = Math.max(lastAcceptedMs, afterMs);
    if (afterMs > allowanceMs) late.push({ what, afterMs });
  };
  for (const { id, type, time, actor } of await intentsOf(load, tenants))
    accepted(`${type} ${id}`, { agent: actor.principal, run: actor.run, tenant: actor.tenant }, Date.parse(time));
  for (const { kind, by, accepted: ok, answeredMs, effectId } of load.calls)
    if (ok && kind === 'read') accepted(`read ${effectId}`, by, answeredMs);
  const latencies = load.revocations
    .flatMap(({ acknowledgedMs, refusedMs }) =>
      Object.values(refusedMs).map((refused) => Math.max(0, refused - acknowledgedMs)),
    )
    .sort((a, b) => a - b);
  return { late, lastAcceptedMs, latencies, refusals: refusalsOf(load) };
}

type Whose = Pick<Acting, 'agent' | 'tenant'> & { readonly run?: string | undefined };

function acknowledged(revocations: readonly Revocation[], { agent, run, tenant }: Whose): number | undefined {
  return revocations.find(({ subject }) => subject === agent || subject === run || subject === tenant)?.acknowledgedMs;
}

function refusalsOf(load: Load): Record<string, number> {
  const refusals: Record<string, number> = {};
  for (const { by, accepted, code = '', sentMs } of load.calls) {
    const acknowledgedMs = acknowledged(load.revocations, by);
    if (accepted || acknowledgedMs === undefined || sentMs < acknowledgedMs) continue;
    refusals[code] = (refusals[code] ?? 0) + 1;
  }
  return refusals;
}

type Intent = Pick<RecordedEvent, 'id' | 'type' | 'time'> & {
  readonly data: { readonly effectId: string };
  readonly actor: { readonly principal: string; readonly run: string; readonly tenant: string };
};

/** Every intent in the record; those of the accepted calls are among them, which takes the index about a second. */
async function intentsOf(load: Load, tenants: readonly Rest[]): Promise<Intent[]> {
  const expected = load.calls.filter(({ accepted, kind }) => accepted && kind !== 'read');
  return eventually(
    async () => {
      const intents = (await Promise.all(tenants.map(allIntents))).flat();
      const known = new Set(intents.map(({ data }) => data.effectId));
      const missing = expected.filter(({ effectId }) => !known.has(effectId));
      if (missing.length > 0)
        throw new Error(`${missing.length} accepted calls have no intent: ${missing[0]?.effectId}`);
      return intents;
    },
    { what: 'every accepted call has its intent in the record', timeoutMs: 30_000, everyMs: 500 },
  );
}

async function allIntents(tenant: Rest): Promise<Intent[]> {
  const intents: Intent[] = [];
  let pageToken = '';
  do {
    const query = new URLSearchParams({ type: 'action.intended.v1', page_size: '1000', page_token: pageToken });
    const page = await tenant.get<{ events: { event: Intent & { tenant: string } }[]; nextPageToken?: string }>(
      `/v1/audit/events?${query}`,
    );
    for (const { event } of page.events) intents.push({ ...event, actor: { ...event.actor, tenant: event.tenant } });
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  return intents;
}
