import { newId } from '@writ/ledger/domain';
import type { Content, Failure } from '../run/run.events.js';
import type { ConsultResult } from '@writ/proto/worker/v1/worker';
import { contentOf, errorOf } from './report.js';

/** What a run is asked: a query, or whether it accepts an update. */
export interface Question {
  name: string;
  update: boolean;
  content: Content;
}

/** What a worker says to a question. `gone`: it does not have the run, or cannot ask it now. */
export type Verdict =
  | { type: 'completed'; content: Content; entries: number }
  | { type: 'failed'; error: Failure }
  | { type: 'gone' }
  | { type: 'late' };

interface Asked {
  resolve(verdict: Verdict): void;
  timer: NodeJS.Timeout;
}

/** Questions that a worker was asked, on one stream. */
export class Consults {
  private readonly asked = new Map<string, Asked>();

  ask(timeoutMs: number, send: (id: string) => void): Promise<Verdict> {
    const id = newId('ask');
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.settle(id, { type: 'late' }), timeoutMs);
      this.asked.set(id, { resolve, timer });
      send(id);
    });
  }

  answer({ id, result, entries }: ConsultResult): void {
    if (result.case === 'completed') this.settle(id, { type: 'completed', content: contentOf(result.value), entries });
    else if (result.case === 'failed') this.settle(id, { type: 'failed', error: errorOf(result.value) });
    else this.settle(id, { type: 'gone' });
  }

  close(): void {
    for (const id of [...this.asked.keys()]) this.settle(id, { type: 'gone' });
  }

  private settle(id: string, verdict: Verdict): void {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    clearTimeout(asked?.timer);
    asked?.resolve(verdict);
  }
}
