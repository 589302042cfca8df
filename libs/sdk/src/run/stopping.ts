/** An AbortController that is made when somebody asks for its signal: most runs and most steps never look at theirs. */
export class Stopping {
  #controller: AbortController | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#stopped) this.#controller.abort(this.#stopped.reason);
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#stopped !== undefined;
  }

  get reason(): unknown {
    return this.#stopped?.reason;
  }

  /** The first reason stays. */
  abort(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = { reason };
    this.#controller?.abort(reason);
    this.#reject?.(reason);
  }

  /** For the one who waits for it: rejects with the reason, or never settles. */
  rejected(): Promise<never> {
    return new Promise((_, reject) => {
      if (this.#stopped) reject(this.#stopped.reason as Error);
      else this.#reject = reject;
    });
  }
}
