/** `WRIT_FUZZ_RUNS=20000 npm test -- property`: property tests that name no number of runs of their own take this one. */
import * as fc from 'fast-check';

fc.configureGlobal({ numRuns: Number(process.env.WRIT_FUZZ_RUNS) });
