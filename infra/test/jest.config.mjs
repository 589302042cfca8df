import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { swcOptions } from '../swc.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Jest 30 in ESM mode: packages resolve to their sources through the `source` condition, SWC strips the types. */
export default {
  rootDir: root,
  roots: ['<rootDir>/libs', '<rootDir>/services', '<rootDir>/proto', '<rootDir>/e2e', '<rootDir>/infra'],
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  testMatch: ['**/*.test.ts', '**/*.test.mjs'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/.writ/'],
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  resolver: '<rootDir>/infra/test/resolver.cjs',
  transform: { '^.+\\.tsx?$': ['@swc/jest', { ...swcOptions, sourceMaps: 'inline' }] },
  setupFiles: process.env.WRIT_FUZZ_RUNS ? ['<rootDir>/infra/test/fuzz.mjs'] : [],
  globalSetup: '<rootDir>/infra/test/global-setup.mjs',
  globalTeardown: '<rootDir>/infra/test/global-teardown.mjs',
  reporters: ['default', ...(process.env.WRIT_TEST_FAILURES ? ['<rootDir>/infra/test/failures.mjs'] : [])],
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB', // ESM modules of a finished suite are not given back before its worker ends
  testSequencer: '<rootDir>/infra/test/sequencer.mjs',
  testTimeout: 60_000,
};
