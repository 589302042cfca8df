/**
 * The house style as far as a machine can see it. Where a rule makes the code worse, disable it on that line and say
 * why in the same comment.
 */
import nx from '@nx/eslint-plugin';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import globals from 'globals';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';
import { boundaries, forbiddenEverywhere, forbiddenInPureFiles, pureFiles } from './rules.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const tests = ['**/*.test.ts', '**/testing/**/*.ts', '**/*.contract.ts', 'e2e/**/*.ts'];

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'proto/gen/', 'e2e/fixtures/', '.nx/', '.writ/'] },
  { plugins: { 'import-x': importX, '@nx': nx } },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [...tseslint.configs.recommended],
    languageOptions: {
      // One program for everything: one for each package would hold the same types twenty times.
      parserOptions: { project: path.join(root, 'infra/tsconfig.json'), tsconfigRootDir: root },
    },
    settings: {
      ...importX.flatConfigs.typescript.settings, // or it does not read what is imported, and sees no cycle
      'import-x/resolver-next': [createTypeScriptImportResolver({ project: path.join(root, 'infra/tsconfig.json') })],
      'import-x/internal-regex': '^@writ/',
    },
    rules: {
      '@nx/enforce-module-boundaries': ['error', boundaries({ testkit: false })],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-self-import': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      '@typescript-eslint/only-throw-error': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-restricted-imports': ['error', { paths: forbiddenEverywhere.imports }],
      'no-restricted-syntax': ['error', ...forbiddenEverywhere.syntax],
    },
  },
  {
    files: ['services/*/src/**/*.ts'],
    // standalone hands its own environment on to the services that it composes
    ignores: ['**/config.ts', '**/main.ts', 'services/standalone/**', ...tests],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'The only reader of the environment is config.ts.' },
      ],
    },
  },
  {
    files: pureFiles(root),
    rules: {
      'no-restricted-imports': ['error', forbiddenInPureFiles.imports],
      'no-restricted-syntax': ['error', ...forbiddenEverywhere.syntax, ...forbiddenInPureFiles.syntax],
    },
  },
  {
    files: tests,
    rules: {
      'max-lines': ['error', { max: 600 }],
      'max-lines-per-function': 'off', // a describe block is one function
      '@typescript-eslint/no-floating-promises': 'off',
      '@nx/enforce-module-boundaries': ['error', boundaries({ testkit: true })],
    },
  },
  {
    // an example imports its package as the users of the package do
    files: ['libs/*/examples/**/*.ts'],
    rules: { '@nx/enforce-module-boundaries': 'off' },
  },
  { files: ['e2e/requirements.ts'], rules: { 'max-lines': 'off' } }, // the list of all promises, which is read by searching
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: { globals: globals.node, ecmaVersion: 2025 },
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-undef': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  { files: ['**/*.browser.js'], languageOptions: { globals: globals.browser } },
);
