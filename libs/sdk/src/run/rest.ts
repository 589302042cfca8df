/** One turn of the event loop: every microtask is done, so a function that awaits only recorded things has come to rest. */
export function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How many turns a function gets that awaits something slower (a digest, an import) before it counts as gone another way. */
const graceTurns = 50;

/** Waits until the condition holds, for a bounded number of turns. */
export async function restUntil(condition: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < graceTurns; turn++) {
    if (condition()) return true;
    await (turn < 10 ? rest() : new Promise((resolve) => setTimeout(resolve, 2)));
  }
  return condition();
}
