/**
 * Says that the test which calls it shows these promises of `e2e/requirements.ts` to hold. It does nothing when it
 * runs: the requirements gate reads the calls in the sources, so the ids must be literals.
 */
export function verifies(...ids: readonly [string, ...string[]]): void {
  void ids;
}
