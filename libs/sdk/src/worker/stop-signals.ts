type Stop = () => Promise<void>;

const stops = new Set<Stop>();
const signals = ['SIGTERM', 'SIGINT'] as const;

/**
 * Calls `stop` when the process is asked to end, and lets it end when all are done; a second signal ends it at once. Where the program has a listener of
 * its own, ending is its affair.
 * @returns a function that takes it back
 */
export function onStop(stop: Stop): () => void {
  if (stops.size === 0) for (const signal of signals) process.once(signal, stopAll);
  stops.add(stop);
  return () => {
    stops.delete(stop);
    if (stops.size === 0) for (const signal of signals) process.removeListener(signal, stopAll);
  };
}

function stopAll(signal: NodeJS.Signals): void {
  const all = [...stops];
  for (const each of signals) process.removeListener(each, stopAll); // the next one has its default effect
  void Promise.allSettled(all.map((stop) => stop())).then(() => {
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  });
}
