import type { Case } from './program.js';

/** Where every third program runs, with all its children: a queue in which so many go on at once. */
export const narrow = { name: 'narrow', concurrency: 3 } as const;
/** Clocks of processes on one machine differ by so much at most. */
const SKEW_MS = 20;

/** The queue of a case. */
export const placeOf = ({ seed }: Case): { queue?: string } => (seed % 3 === 0 ? { queue: narrow.name } : {});

interface Recorded {
  readonly type: string;
  readonly time: string;
  readonly data: { queue?: string };
}

/** Times at which more went on than the queue lets: from when each run was let go on until it waited or had ended. */
export function checkNarrow(record: ReadonlyMap<string, readonly Recorded[]>): string[] {
  const spans: { fromMs: number; untilMs: number }[] = [];
  for (const events of record.values()) {
    if (!events.some(({ type, data }) => type === 'run.started.v1' && data.queue === narrow.name)) continue;
    let fromMs: number | undefined;
    for (const { type, time } of events) {
      if (type === 'run.admitted.v1') fromMs = Date.parse(time);
      if (fromMs === undefined || !/^run\.(parked|paused|stopped|succeeded|failed|cancelled)\./.test(type)) continue;
      spans.push({ fromMs, untilMs: Date.parse(time) - SKEW_MS });
      fromMs = undefined;
    }
  }
  const crowded = spans.flatMap(({ fromMs: ms }) => {
    const going = spans.filter(({ fromMs, untilMs }) => fromMs <= ms && ms < untilMs).length;
    return going > narrow.concurrency
      ? [`${going} runs went on in queue ${narrow.name} at ${new Date(ms).toISOString()}`]
      : [];
  });
  return spans.length > 0 ? crowded : [`no run was let go on in queue ${narrow.name}`];
}
