import type { Logger } from '@writ/ledger';
import type { Metrics } from '@writ/platform';
import type { IntegrityChecker } from './checker.js';

const LOOK_MS = 15_000;
/** A service that has just started has the record to open and the index to read first. */
const FIRST_CHECK_MS = 5_000;

/**
 * Checks without being asked: everything at the start and once in a while, and at once where a look at the streams shows that
 * something is gone. What it finds is logged once, and told by metrics and health until it is gone.
 */
export class IntegrityWatch {
  private readonly timers: NodeJS.Timeout[] = [];
  private told = new Set<string>();
  private working = Promise.resolve();

  constructor(
    private readonly checker: IntegrityChecker,
    private readonly log: Logger,
  ) {}

  start(everyMs: number): void {
    this.timers.push(
      setTimeout(() => this.next(() => this.check()), FIRST_CHECK_MS),
      setInterval(() => this.next(() => this.check()), everyMs),
      setInterval(() => this.next(() => this.look()), LOOK_MS),
    );
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    await this.working;
  }

  /** For `/health/ready`: told, and no reason to send calls elsewhere. */
  tell(): { integrity?: { problems: string[]; time: string } } {
    const { latest } = this.checker;
    if (!latest) return {};
    return { integrity: { problems: latest.problems.map(({ text }) => text), time: latest.time.toISOString() } };
  }

  measure(metrics: Metrics): void {
    const kinds = () => Map.groupBy(this.checker.latest?.problems ?? [], ({ kind }) => kind);
    metrics.gauges(
      'writ_audit_problems',
      'What the last check found wrong between the ledger and the record, by kind. Anything above 0 is an alarm.',
      ['kind'],
      () => [...kinds()].map(([kind, { length }]) => [{ kind }, length] as const),
    );
    metrics.gauge('writ_audit_checked_timestamp_seconds', 'When everything was last read and compared.', () => {
      const { latest } = this.checker;
      return latest && latest.time.getTime() / 1000;
    });
  }

  private next(step: () => Promise<void>): void {
    this.working = this.working
      .then(step)
      .catch((error: unknown) => this.log.warn({ err: error }, 'the record could not be compared; it is tried again'));
  }

  private async look(): Promise<void> {
    if ((await this.checker.suspicious()) || this.told.size > 0) await this.check();
  }

  private async check(): Promise<void> {
    const { problems } = await this.checker.check();
    for (const { text, kind, service, partition } of problems)
      if (!this.told.has(text)) this.log.error({ kind, service, partition }, `the record does not hold: ${text}`);
    this.told = new Set(problems.map(({ text }) => text));
  }
}
