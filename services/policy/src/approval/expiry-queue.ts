/** What expires when, the earliest first. Pure but for being mutable. */
export class ExpiryQueue<T> {
  /** Sorted by time: insertion moves memory, but there are thousands of open approvals, not millions. */
  private readonly entries: { key: string; atMs: number; item: T }[] = [];
  private readonly items = new Map<string, { atMs: number; item: T }>();

  get size(): number {
    return this.entries.length;
  }

  /** When the next one is due, in milliseconds since the epoch. */
  get nextMs(): number | undefined {
    return this.entries[0]?.atMs;
  }

  add(key: string, atMs: number, item: T): void {
    this.remove(key);
    this.items.set(key, { atMs, item });
    this.entries.splice(this.firstAfter(atMs), 0, { key, atMs, item });
  }

  get(key: string): T | undefined {
    return this.items.get(key)?.item;
  }

  remove(key: string): void {
    const atMs = this.items.get(key)?.atMs;
    if (atMs === undefined) return;
    this.items.delete(key);
    for (let index = this.firstAfter(atMs) - 1; index >= 0; index--) {
      if (this.entries[index]?.key === key) {
        this.entries.splice(index, 1);
        return;
      }
    }
  }

  /** What is due; it stays in the queue until it is removed. */
  due(nowMs: number): T[] {
    return this.entries.slice(0, this.firstAfter(nowMs)).map(({ item }) => item);
  }

  private firstAfter(atMs: number): number {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle]?.atMs ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
