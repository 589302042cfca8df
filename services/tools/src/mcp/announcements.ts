import type { Ledger } from '@writ/ledger';
import type { Announced } from '../upstream/upstream.js';

/** Core NATS subject on which replicas tell each other; nothing is lost with a message but a hint to list again. */
export const CHANGED_SUBJECT = 'tools.changed';

/** A list of a tenant is another one now. */
export interface Changed {
  readonly tenant: string;
  readonly what: 'tools' | 'prompts' | 'resources';
}

type OnUpdated = () => void;

/** What servers and people changed, told to whoever listens on any replica; updates of a resource only here, where it is watched. */
export class Announcements implements Disposable {
  private readonly listeners = new Set<(changed: Changed) => void>();
  private readonly watching = new Map<string, Set<OnUpdated>>();
  private readonly subscription: { unsubscribe(): void };

  constructor(
    private readonly nc: Ledger['nc'],
    private readonly replica: string,
  ) {
    this.subscription = nc.subscribe(CHANGED_SUBJECT, {
      callback: (error, message) => {
        if (error) return;
        const { from, ...changed } = message.json<Changed & { from: string }>();
        if (from !== replica) this.tell(changed);
      },
    });
  }

  /** Everybody here knows when it returns, the other replicas a moment later. */
  changed(changed: Changed): void {
    this.tell(changed);
    if (!this.nc.isClosed()) this.nc.publish(CHANGED_SUBJECT, JSON.stringify({ ...changed, from: this.replica }));
  }

  onChanged(listener: (changed: Changed) => void): void {
    this.listeners.add(listener);
  }

  /** What a connection to a server was told. */
  announced({ tenant, server }: { tenant: string; server: string }, { what, uri = '' }: Announced): void {
    if (what !== 'resource') return this.changed({ tenant, what });
    for (const updated of this.watching.get(keyOf(tenant, server, uri)) ?? []) updated();
  }

  onUpdated(of: { tenant: string; server: string; uri: string }, updated: OnUpdated): Disposable {
    const key = keyOf(of.tenant, of.server, of.uri);
    const all = this.watching.get(key) ?? new Set();
    this.watching.set(key, all.add(updated));
    return {
      [Symbol.dispose]: () => {
        all.delete(updated);
        if (all.size === 0 && this.watching.get(key) === all) this.watching.delete(key);
      },
    };
  }

  private tell(changed: Changed): void {
    for (const listener of this.listeners) listener(changed);
  }

  [Symbol.dispose](): void {
    this.subscription.unsubscribe();
  }
}

const keyOf = (...parts: string[]): string => JSON.stringify(parts);
