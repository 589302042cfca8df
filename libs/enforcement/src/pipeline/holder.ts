import { errors, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import { newId } from '@writ/ledger/domain';

/** Long enough for a busy process to answer; one that is paused does not, and is then not taken for dead. */
const ASK_MS = 500;

/**
 * The name under which this process holds intents. Others ask it on core NATS whether it still performs an effect; a process that
 * is gone has no subscription, which the broker says at once.
 */
export class Holder {
  readonly id = newId('enf');
  private readonly subscription: Subscription;

  constructor(
    private readonly nc: NatsConnection,
    /** Whose credentials the connection has: only replicas of one service ask each other. */
    private readonly service: string,
    performs: (tenant: string, effectId: string) => boolean,
  ) {
    this.subscription = nc.subscribe(this.subjectOf(this.id), {
      callback: (error, message) => {
        if (error !== null) return;
        const { tenant, effectId } = message.json<{ tenant: string; effectId: string }>();
        message.respond(performs(tenant, effectId) ? 'yes' : 'no');
      },
    });
  }

  /** Whether the holder of an unfinished intent is known not to finish it. */
  async isGone(holder: string, tenant: string, effectId: string): Promise<boolean> {
    // This process knows what it performs; a worker that lost its token's process comes back with another token.
    if (holder === this.id || !holder.startsWith('enf_')) return true;
    try {
      const answer = await this.nc.request(this.subjectOf(holder), JSON.stringify({ tenant, effectId }), {
        timeout: ASK_MS,
      });
      return answer.string() === 'no';
    } catch (problem) {
      return (
        problem instanceof errors.NoRespondersError ||
        (problem instanceof errors.RequestError && problem.isNoResponders())
      );
    }
  }

  stop(): void {
    this.subscription.unsubscribe();
  }

  private subjectOf(holder: string): string {
    return `enforcement.${this.service}.${holder}`;
  }
}
