/** One fact of the ledger, as the SDK hands it out. */
export interface LedgerEvent {
  readonly id: string;
  /** `<aggregate>.<past verb>.v<major>`, such as `run.step_completed.v1`. */
  readonly type: string;
  /** The thing it is about: a run, an agent, a sandbox. */
  readonly subject: string;
  readonly time: Date;
  /** The principal that did it. */
  readonly actor: string;
  readonly data: unknown;
}

/** The event of a CloudEvents line of the ledger. */
export function ledgerEventOf(line: unknown): LedgerEvent {
  const event = line as {
    id?: string;
    type?: string;
    subject?: string;
    time?: string;
    actor?: string | { principal?: string };
    data?: unknown;
  };
  const { id, type, subject, time, actor } = event;
  if (typeof id !== 'string' || typeof type !== 'string' || typeof time !== 'string')
    throw new TypeError('not an event of the ledger: it needs id, type and time');
  const principal = typeof actor === 'string' ? actor : (actor?.principal ?? '');
  return { id, type, subject: subject ?? '', time: new Date(time), actor: principal, data: event.data };
}
