/** The worker of the bench (WRIT_URL, WRIT_KEY_FILE), until SIGTERM. */
import { connect } from '@writ/sdk';
import { quantile } from '../bench.js';
import { executed, flows, lastTickMs, lateMs } from './flows.js';
import { obey } from './program.js';

/** How runs went on behind their waits. */
export interface WentOn {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Of runs that are always in the middle of a step. */
export interface Ticking {
  readonly runs: number;
  /** That have not gone on since a moment. */
  readonly behind: number;
  /** Steps whose code was executed more than once. */
  readonly twice: number;
}

const writ = connect();
await writ.serve({ workflows: Object.values(flows), concurrency: 2_000 });
obey({
  wentOn(): WentOn {
    const times = [...lateMs.values()].sort((a, b) => a - b);
    return {
      count: times.length,
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      maxMs: times.at(-1) ?? NaN,
    };
  },
  forget(): void {
    for (const map of [lateMs, lastTickMs, executed]) map.clear();
  },
  ticking({ sinceMs = 0 }: { sinceMs?: number }): Ticking {
    const behind = [...lastTickMs.values()].filter((at) => at <= sinceMs).length;
    const twice = [...executed.values()].filter((times) => times > 1).length;
    return { runs: lastTickMs.size, behind, twice };
  },
});
process.stdin.on('end', () => process.exit());
