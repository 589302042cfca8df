/** `WRIT_BENCH_SCALE=0.1` runs the large parts with a tenth of their runs: to work on them, not to quote. */
const scale = Number(process.env['WRIT_BENCH_SCALE'] ?? '1');

export const scaled = (count: number): number => Math.round(count * scale);
