import { newId, refuse, type DomainError } from '@writ/ledger/domain';
import type { ReplayResult } from '@writ/proto/worker/v1/worker';
import type { Difference } from '../run/run.events.js';
import { differenceOf } from './report.js';

/** What a worker found out by a strict replay. */
export interface ReplayReport {
  same: boolean;
  firstDifference?: Difference;
  entries: number;
  liveCalls: number;
}

interface Asked {
  resolve(report: ReplayReport): void;
  reject(error: DomainError): void;
  timer: NodeJS.Timeout;
}

/** Replays that a worker was asked for. */
export class Replays {
  private readonly asked = new Map<string, Asked>();

  ask(timeoutMs: number, send: (id: string) => void): Promise<ReplayReport> {
    const id = newId('rpl');
    return new Promise((resolve, reject) => {
      const late = () => {
        this.asked.delete(id);
        reject(refuse('run.replay_failed', `the worker did not finish the replay within ${timeoutMs} ms`));
      };
      send(id);
      this.asked.set(id, { resolve, reject, timer: setTimeout(late, timeoutMs) });
    });
  }

  answer({ id, same, firstDifference, entries, liveCalls }: ReplayResult): void {
    const asked = this.asked.get(id);
    if (!asked) return;
    this.asked.delete(id);
    clearTimeout(asked.timer);
    const difference = firstDifference && differenceOf(firstDifference);
    asked.resolve({ same, ...(difference && { firstDifference: difference }), entries, liveCalls });
  }

  close(): void {
    for (const { reject, timer } of this.asked.values()) {
      clearTimeout(timer);
      reject(refuse('run.replay_failed', 'the worker went away during the replay'));
    }
    this.asked.clear();
  }
}
