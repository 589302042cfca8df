import { beforeAll, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const lib = 'libs/testkit/src/clock.ts';
const suite = 'libs/testkit/src/clock.test.ts';
const pure = 'services/memory/src/memory/memory.ts';
const service = 'services/memory/src/memory/memory.view.ts';
const longFunction = `export function f(): void {\n${'  void 0;\n'.repeat(61)}}\n`;

/** Sources, the file they are judged as, and the rule that must find something. */
const wrong = [
  [pure, "import { Injectable } from '@nestjs/common';\nexport const x = Injectable;\n", 'no-restricted-imports'],
  [pure, "import { readFile } from 'node:fs/promises';\nexport const x = readFile;\n", 'no-restricted-imports'],
  [pure, 'export const now = (): number => Date.now();\n', 'no-restricted-syntax'],
  [service, "export { start } from '@writ/service-policy';\n", '@nx/enforce-module-boundaries'],
  [service, 'export const url = process.env.WRIT_URL;\n', 'no-restricted-properties'],
  [service, "import { forwardRef } from '@nestjs/common';\nexport const x = forwardRef;\n", 'no-restricted-imports'],
  [service, "export { eventually } from '@writ/testkit';\n", '@nx/enforce-module-boundaries'],
  ['libs/sdk/src/define/tool.ts', "export { Ledger } from '@writ/ledger';\n", '@nx/enforce-module-boundaries'],
  ['libs/testkit/src/eventually.ts', "export { startProcess } from './project-process.js';\n", 'import-x/no-cycle'],
  [lib, "export * from './verifies.js';\n", 'no-restricted-syntax'],
  [lib, 'export const x = (y: any): unknown => y;\n', '@typescript-eslint/no-explicit-any'],
  [lib, 'export function f(): void {\n  Promise.resolve();\n}\n', '@typescript-eslint/no-floating-promises'],
  [
    lib,
    'export class C {\n  constructor(a: 1, b: 2, c: 3, d: 4, e: 5) {\n    void [a, b, c, d, e];\n  }\n}\n',
    'no-restricted-syntax',
  ],
  [lib, longFunction, 'max-lines-per-function'],
  [lib, `export const x = 1;\n${'// y\n'.repeat(400)}`, 'max-lines'],
  [suite, "import { jest } from '@jest/globals';\njest.spyOn(console, 'log');\n", 'no-restricted-syntax'],
];
const right = [
  [pure, "import { refuse } from '@writ/ledger/domain';\nexport const x = refuse;\n"],
  [
    'services/memory/src/memory/memory.test.ts',
    "import { eventually } from '@writ/testkit';\nvoid eventually(() => true);\n",
  ],
  [suite, longFunction],
];

const program = `
  import { ESLint } from 'eslint';
  const eslint = new ESLint({ overrideConfigFile: 'infra/lint/eslint.config.mjs' });
  const found = [];
  for (const [filePath, text] of ${JSON.stringify([...wrong, ...right])}) {
    const [{ messages }] = await eslint.lintText(text, { filePath });
    found.push(messages.map(({ ruleId, message }) => ruleId ?? message));
  }
  console.log(JSON.stringify(found));`;

let found;
beforeAll(() => {
  // The texts below are not what stands on the disk, which is all that a single run, as under CI, would read.
  const env = { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true', TSESTREE_SINGLE_RUN: 'false' };
  execFileSync(path.join(root, 'node_modules/.bin/nx'), ['show', 'projects'], { cwd: root, env });
  const options = { cwd: root, env, encoding: 'utf8', maxBuffer: 1 << 24 };
  found = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], options));
});

test.each(
  wrong.map(([file, text, rule], index) => ({ file, text: text.slice(0, 60).replaceAll('\n', ' '), rule, index })),
)('$rule finds `$text…` in $file', ({ rule, index }) => expect(found[index]).toContain(rule));

test('what is right is not found', () => {
  expect(found.slice(wrong.length)).toEqual(right.map(() => []));
});
