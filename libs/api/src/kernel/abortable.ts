/**
 * The same values, until the signal is aborted: then the wait in progress throws the signal's reason at once, also while
 * the source hangs, and the source is told to stop without being waited for. (No `Promise.race` against one long-lived
 * promise: each frame would leave a reaction on it until the stream ends.)
 */
export function abortable<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterableIterator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let interrupt: ((reason: unknown) => void) | undefined;
  const onAbort = () => {
    interrupt?.(signal.reason);
    leave();
  };
  const leave = () => {
    signal.removeEventListener('abort', onAbort);
    // A source that hangs in an await cannot be waited for here; its own signal frees it.
    Promise.resolve(iterator.return?.()).catch(() => undefined);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        interrupt = reject;
        iterator.next().then(
          (result) => {
            if (result.done) signal.removeEventListener('abort', onAbort);
            resolve(result);
          },
          (error: unknown) => {
            signal.removeEventListener('abort', onAbort);
            reject(error);
          },
        );
      });
    },
    return() {
      leave();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
