import type { RunRecord } from './run-record.js';

/** Which run waits for an approval. Its id is derived from the run's, which two tenants may share: both are the key. */
export class ApprovalWaits {
  private readonly runs = new Map<string, RunRecord>();

  get size(): number {
    return this.runs.size;
  }

  get(tenant: string, approval: string): RunRecord | undefined {
    return this.runs.get(`${tenant}\n${approval}`);
  }

  add(run: RunRecord, approval: string): void {
    this.runs.set(`${run.tenant}\n${approval}`, run);
  }

  delete({ tenant }: RunRecord, approval: string): void {
    this.runs.delete(`${tenant}\n${approval}`);
  }

  *all(): Iterable<readonly [tenant: string, approval: string]> {
    for (const key of this.runs.keys()) yield key.split('\n') as [string, string];
  }
}
