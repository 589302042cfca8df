import { expect, test } from '@jest/globals';
import { checks } from './architecture.mjs';

const manifest = (extra = {}) => JSON.stringify({ name: '@writ/thing', dependencies: { zod: '4.6.7' }, ...extra });

/** A tree of files that a test wants to see judged. */
function tree(files) {
  return { paths: Object.keys(files), read: (path) => files[path] };
}

const sound = {
  'package.json': manifest({ devDependencies: { '@jest/globals': '30.5.2' } }),
  'nx.json': '{}',
  'tsconfig.base.json': '{}',
  'README.md': '# Writ',
  'infra/build.mjs': '',
  'e2e/requirements.ts': '',
  'proto/writ/run/v1/run.proto': '',
  'services/memory/src/index.ts': '',
  'libs/thing/package.json': manifest(),
  'libs/thing/src/index.ts':
    "import { z } from 'zod';\nimport path from 'node:path';\nexport type { X } from './x.js';\n",
  'libs/thing/src/index.test.ts': "import { test } from '@jest/globals';\nimport { verifies } from '@writ/testkit';\n",
};
const judge = (name, files) => checks[name](tree({ ...sound, ...files }));

test('a sound tree has no finding', () => {
  for (const check of Object.keys(checks)) expect(judge(check, {})).toEqual([]);
});

test('the top level is what it is', () => {
  const { 'README.md': _, ...without } = sound;
  expect(checks.topLevel(tree({ ...without, 'scripts/run.sh': '' }))).toEqual([
    'README.md: missing at the top level',
    'scripts: does not belong to the top level',
  ]);
});

test.each([
  ['libs/common/src/index.ts', 'a name that says nothing'],
  ['services/memory/src/utils.ts', 'a name that says nothing'],
  ['services/memory/src/memory/helpers/text.ts', 'a name that says nothing'],
  ['libs/thing/src/ThingManager.ts', 'kebab-case'],
  ['services/memory/src/memory/index.ts', 'the only index'],
])('%s: %s', (path, why) => {
  expect(judge('names', { [path]: '' }).join()).toContain(why);
});

test('generated and third-party files keep their names', () => {
  expect(
    judge('names', { 'proto/google/api/common/helpers.proto': '', 'proto/gen/writ/run/v1/run_pb.ts': '' }),
  ).toEqual([]);
});

test.each([
  ['a registry host', `see https://registry.${'npm'}js.org`],
  ['a path of one machine', `const data = '/${'root'}/data';`],
  ['something for later', `// ${'TO'}DO: the rest`],
  ['a focused test', `test.${'only'}('it', () => {});`],
])('%s is found, with its line', (_, text) => {
  expect(judge('text', { 'libs/thing/src/x.ts': `const one = 1;\n${text}\n` })).toEqual([
    expect.stringMatching(/^libs\/thing\/src\/x\.ts:2: /),
  ]);
});

test('an import that no manifest declares is found; types are enough for types, and tests may use the testkit', () => {
  const declared = { 'libs/thing/package.json': manifest({ dependencies: { '@types/koa': '3.0.3', pg: '8.23.1' } }) };
  const source = "import type { Context } from 'koa';\nimport pg from 'pg';\n";
  expect(judge('dependencies', { ...declared, 'libs/thing/src/index.ts': source })).toEqual([]);
  const undeclared = {
    'libs/thing/src/index.ts':
      "import {\n  a,\n  b,\n} from '@nats-io/kv/internal';\nconst c = await import('fastify');\n// import 'no'\n",
    'libs/thing/src/other.ts': "import { startBackends } from '@writ/testkit';\n",
  };
  expect(judge('dependencies', undeclared)).toEqual([
    expect.stringContaining('imports @nats-io/kv'),
    expect.stringContaining('imports fastify'),
    expect.stringContaining('imports @writ/testkit'),
  ]);
});

test('versions are exact and the same everywhere', () => {
  expect(judge('versions', { 'libs/thing/package.json': manifest({ dependencies: { zod: '^4.6.7' } }) })).toEqual([
    expect.stringContaining('not one exact version'),
  ]);
  expect(judge('versions', { 'libs/thing/package.json': manifest({ dependencies: { zod: '4.0.0' } }) })).toEqual([
    'libs/thing/package.json: zod 4.0.0, elsewhere 4.6.7',
  ]);
});
