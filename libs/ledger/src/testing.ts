export { readGoldenFixtures, type GoldenFixtures } from './testing/golden.js';
