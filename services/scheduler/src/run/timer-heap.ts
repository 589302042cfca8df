/** Something that wants to be woken at `wakeMs`; Infinity for never. */
export interface Sleeper {
  wakeMs: number;
}

/** A binary heap of wake-ups. Changing one's mind is cheap: what is out of date is skipped, and swept when it is half. */
export class TimerHeap<T extends Sleeper> {
  private times: number[] = [];
  private items: T[] = [];
  private stale = 0;

  get size(): number {
    return this.times.length - this.stale;
  }

  /** Sets when `item` is to be woken; Infinity cancels. */
  set(item: T, wakeMs: number): void {
    if (item.wakeMs === wakeMs) return;
    if (item.wakeMs !== Infinity) this.stale++;
    item.wakeMs = wakeMs;
    if (wakeMs !== Infinity) this.push(wakeMs, item);
    if (this.stale > 64 && this.stale * 2 > this.times.length) this.sweep();
  }

  /** The earliest wake-up, or Infinity. */
  next(): number {
    while (this.times.length > 0) {
      const at = this.times[0] as number;
      if ((this.items[0] as T).wakeMs === at) return at;
      this.stale--;
      this.pop();
    }
    return Infinity;
  }

  /** Takes one whose time has come; its wake-up is used up. */
  take(nowMs: number): T | undefined {
    if (this.next() > nowMs) return undefined;
    const item = this.pop();
    item.wakeMs = Infinity;
    return item;
  }

  private push(at: number, item: T): void {
    const { times, items } = this;
    let i = times.length;
    times.push(at);
    items.push(item);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const above = times[up] as number;
      if (above <= at) break;
      times[i] = above;
      items[i] = items[up] as T;
      i = up;
    }
    times[i] = at;
    items[i] = item;
  }

  private pop(): T {
    const { times, items } = this;
    const first = items[0] as T;
    const at = times.pop() as number;
    const item = items.pop() as T;
    const { length } = times;
    if (length === 0) return first;
    let i = 0;
    for (let down = 1; down < length; down = 2 * i + 1) {
      if (down + 1 < length && (times[down + 1] as number) < (times[down] as number)) down++;
      if ((times[down] as number) >= at) break;
      times[i] = times[down] as number;
      items[i] = items[down] as T;
      i = down;
    }
    times[i] = at;
    items[i] = item;
    return first;
  }

  private sweep(): void {
    const { times, items } = this;
    this.times = [];
    this.items = [];
    this.stale = 0;
    for (let i = 0; i < times.length; i++) {
      const item = items[i] as T;
      if (item.wakeMs === times[i]) this.push(times[i] as number, item);
    }
  }
}
