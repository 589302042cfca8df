import type { CommandClient, Logger } from '@writ/ledger';
import { newId } from '@writ/ledger/domain';
import type { RefusedCall } from './authenticator.js';

/** Refusals without a genuine token that are recorded one by one, per second; the rest of that second is counted together. */
const SINGLE_PER_SECOND = 50;
const TIMEOUT_MS = 5_000;

export interface RefusalRecorderOptions {
  readonly actions: CommandClient;
  readonly partition?: number;
  readonly log?: Logger;
}

/**
 * Records calls that were not let in: each one that carried a genuine token, under its tenant; those without in the tenant
 * `system`, where a flood is counted rather than copied, or anyone could fill the ledger.
 */
export class RefusalRecorder {
  private readonly pending = new Set<Promise<void>>();
  private readonly counts = new Map<string, { refused: RefusedCall; count: number }>();
  private singles = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: RefusalRecorderOptions) {}

  /** Never throws and does not wait. */
  refused(refused: RefusedCall): void {
    if (refused.by !== undefined) return this.write(refused);
    this.timer ??= setTimeout(() => this.nextSecond(), 1_000).unref();
    if (this.singles++ < SINGLE_PER_SECOND) return this.write(refused);
    const key = `${refused.error.code} ${refused.method.name}`;
    const counted = this.counts.get(key) ?? { refused, count: 0 };
    this.counts.set(key, { refused, count: counted.count + 1 });
  }

  /** Resolves when everything refused so far stands in the ledger, or could not be written. */
  async flush(): Promise<void> {
    this.nextSecond();
    await Promise.all(this.pending);
  }

  private nextSecond(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.singles = 0;
    for (const { refused, count } of this.counts.values()) this.write(refused, count);
    this.counts.clear();
  }

  private write(refused: RefusedCall, count?: number): void {
    const written = this.send(refused, count).catch((error: unknown) => {
      this.options.log?.error({ err: error, code: refused.error.code }, 'a refusal could not be recorded');
    });
    this.pending.add(written);
    void written.finally(() => this.pending.delete(written));
  }

  private async send({ error, method, by }: RefusedCall, count?: number): Promise<void> {
    const { actions, partition } = this.options;
    const data = {
      code: error.code,
      detail: error.message,
      action: method.requires ?? method.name,
      ...(count === undefined ? {} : { count }),
    };
    await actions.send(
      {
        tenant: by?.tenant ?? 'system',
        aggregate: 'action',
        subject: newId('act'),
        command: { type: 'refuse', ...data },
        actor: by?.actor ?? { principal: 'anonymous', kind: 'service' },
        ...(partition === undefined ? {} : { partition }),
      },
      { timeoutMs: TIMEOUT_MS },
    );
  }
}
