import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const lookMs = 1_000;
/** Busy is who takes more of its thread than this. */
const idleShare = 0.1;
/** So many looks in a row, before it counts as idle. */
const idleLooks = 3;
/** What has grown by less is not worth a pause. */
const worthBytes = 48 * 1024 * 1024;
/** A collection stands still for 1.5 ms or more for each MiB that is in use: of a larger heap V8 alone decides. */
const mostInUseBytes = 384 * 1024 * 1024;

/** What a process looks like. */
interface Look {
  /** Share of the time since the last look that its thread was busy. */
  readonly busy: number;
  /** Memory that it has of the system. */
  readonly rssBytes: number;
  /** Objects in V8's heap, dead ones too. */
  readonly heapBytes: number;
}

/** Whether now is the time to collect: after a burst, when nothing is to be done. */
export class IdleMemory {
  private idle = 0;

  /** @param restBytes what it has of the system without a burst */
  constructor(private restBytes: number) {}

  worthwhile({ busy, rssBytes, heapBytes }: Look): boolean {
    this.idle = busy < idleShare ? this.idle + 1 : 0;
    return this.idle >= idleLooks && rssBytes - this.restBytes >= worthBytes && heapBytes <= mostInUseBytes;
  }

  collected(restBytes: number): void {
    this.restBytes = restBytes;
    this.idle = 0;
  }
}

/**
 * Gives memory back to the system some seconds after a burst. V8 collects when somebody allocates, so a process that only waits would
 * keep what the burst left behind, and the pages of what is collected as well.
 */
export function giveBackWhenIdle(): void {
  const memory = new IdleMemory(process.memoryUsage.rss());
  let before = performance.eventLoopUtilization();
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization: busy } = performance.eventLoopUtilization(now, before);
    before = now;
    const look = { busy, rssBytes: process.memoryUsage.rss(), heapBytes: getHeapStatistics().used_heap_size };
    if (!memory.worthwhile(look)) return;
    collect();
    memory.collected(process.memoryUsage.rss());
  }, lookMs).unref();
}

/** As V8 does when memory is short: only then it lets go of free pages. */
export function collect(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
