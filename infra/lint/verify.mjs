/** `npm run verify`: what CI checks before the tests. Every stage runs, also after one has failed; each tells its time. */
import '../source.mjs';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checks } from './architecture.mjs';
import { gaps } from './requirements.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const bin = (name) => path.join(root, 'node_modules/.bin', name);
const env = { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false' };

const stages = [
  ['format', () => command(bin('prettier'), ['--check', '--log-level', 'warn', '.'])],
  // The boundaries are read from Nx's graph, which a fresh clone has not made yet.
  ['project graph', () => command(bin('nx'), ['show', 'projects'], { silent: true })],
  [
    'lint',
    () =>
      command(bin('eslint'), [
        '-c',
        'infra/lint/eslint.config.mjs',
        '--max-warnings',
        '0',
        'libs',
        'services',
        'e2e',
        'infra',
      ]),
  ],
  ['types', () => command(process.execPath, ['node_modules/typescript7/bin/tsc', '-p', 'infra/tsconfig.json'])],
  ['contract', () => command(process.execPath, ['proto/generate.mjs', '--check'])],
  ['architecture', () => Object.values(checks).flatMap((check) => check(tree()))],
  ['requirements', requirements],
];

/** @returns {Promise<string[]>} findings; a command says its own, and is then one finding here */
async function command(program, args, { silent = false } = {}) {
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', silent ? 'ignore' : 'inherit', 'inherit'] });
  const code = await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  return code === 0 ? [] : [`${path.basename(program)} ${args[0]} ended with ${code}`];
}

function tree() {
  const { stdout } = spawnSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const paths = stdout.split('\n').filter((file) => file !== '' && existsSync(path.join(root, file)));
  return { paths, read: (file) => readFileSync(path.join(root, file), 'utf8') };
}

async function requirements() {
  const { requirements: promised } = await import('../../e2e/requirements.ts');
  const { paths, read } = tree();
  const tests = paths
    .filter((file) => /\.test\.(ts|mjs)$/.test(file))
    .map((file) => ({ path: file, text: read(file) }));
  return gaps(promised, tests);
}

let failed = 0;
for (const [name, stage] of stages) {
  const begin = performance.now();
  const findings = await stage();
  for (const finding of findings) console.log(`  ${finding}`);
  if (findings.length > 0) failed++;
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${findings.length === 0 ? '✓' : '✗'} ${name} (${seconds} s)`);
}
console.log(failed === 0 ? 'verified' : `${failed} of ${stages.length} stages failed`);
process.exitCode = failed === 0 ? 0 : 1;
