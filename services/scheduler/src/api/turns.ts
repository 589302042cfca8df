/**
 * Turns of the event loop for work that comes in large pieces: a call with 10,000 starts is done in parts, with everybody else's work between
 * them. Of tenants that have such calls each gets every second turn, or third, however many calls the others make. What is small needs none.
 */
export class Turns {
  /** By tenant, in the order in which they come next. */
  private readonly waiting = new Map<string, (() => void)[]>();

  /** @param soon calls back when others had their turn */
  constructor(private readonly soon: (turn: () => void) => void = setImmediate) {}

  next(tenant: string): Promise<void> {
    return new Promise((resolve) => {
      const line = this.waiting.get(tenant);
      if (line) return void line.push(resolve);
      this.waiting.set(tenant, [resolve]);
      if (this.waiting.size === 1) this.soon(() => this.give());
    });
  }

  private give(): void {
    const [next] = this.waiting;
    if (!next) return;
    const [tenant, line] = next;
    this.waiting.delete(tenant);
    line.shift()?.();
    if (line.length > 0) this.waiting.set(tenant, line);
    if (this.waiting.size > 0) this.soon(() => this.give());
  }
}
