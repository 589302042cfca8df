export { readGoldenFixtures, type GoldenFixtures } from './testing/golden.js';
export { judgeLog, SteadyLoad, type LoadOptions, type LogVerdict } from './testing/load.js';
