import type { Metrics } from '@writ/platform';

/** What a dashboard shows of the streams of runs: what steps write, what of it is lost, and who reads. */
export interface StreamMetrics {
  stored(chunks: number, bytes: number): void;
  /** For want of room, or because the broker did not store them. */
  dropped(chunks: number): void;
  /** @returns what to call when they have left */
  reader(): () => void;
}

export function streamMetrics(metrics: Metrics): StreamMetrics {
  const chunks = metrics.counter('writ_deltas_total', 'Chunks that steps wrote: stored, or dropped.', ['outcome']);
  const bytes = metrics.counter('writ_deltas_bytes_total', 'Bytes that were stored of what steps wrote.');
  let readers = 0;
  metrics.gauge('writ_stream_readers', 'Streams of runs that are read from this process.', () => readers);
  return {
    stored: (count, size) => {
      chunks.inc({ outcome: 'stored' }, count);
      bytes.inc(size);
    },
    dropped: (count) => chunks.inc({ outcome: 'dropped' }, count),
    reader() {
      readers++;
      return () => void readers--;
    },
  };
}
