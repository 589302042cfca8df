import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A version of `@modelcontextprotocol/conformance`, and how it is run. */
export interface Suite {
  readonly version: string;
  readonly package: string;
  readonly options: readonly string[];
  readonly about: string;
}

export const suites: readonly Suite[] = [
  { version: '0.1.16', package: 'mcp-conformance', options: [], about: '2025-11-25: every active scenario' },
  {
    version: '0.2.0-alpha.12',
    package: 'mcp-conformance-2026',
    options: ['--requirements', '2026-07-28'],
    about: '2026-07-28: what the revision requires, and what the suite runs beside it',
  },
];

/** How one scenario went: the ids of its checks. */
export interface Scenario {
  readonly name: string;
  readonly passed: readonly string[];
  readonly failed: readonly { id: string; why: string }[];
  /** What the suite left out, or has doubts about. */
  readonly remarks: readonly { id: string; why: string }[];
  /** Why it does not count for the revision, as the suite says it. */
  readonly notScored?: string;
}

interface Check {
  id: string;
  status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED';
  errorMessage?: string;
}

const require = createRequire(import.meta.url);

/** Runs all scenarios against a server. @param mode `server`, or `authorization` with its options */
export async function runSuite(
  suite: Suite,
  argv: readonly string[],
  mode: 'server' | 'authorization' = 'server',
): Promise<Scenario[]> {
  const prefix = mode === 'server' ? 'server-' : 'authorization-server-';
  const folder = await mkdtemp(path.join(tmpdir(), 'writ-conformance-'));
  try {
    const program = path.join(path.dirname(require.resolve(`${suite.package}/package.json`)), 'dist/index.js');
    const said = await output(
      [program, mode, ...argv, ...(mode === 'server' ? suite.options : []), '-o', folder],
      folder,
    );
    const notScored = new Map(
      [...said.matchAll(/^ {2}[✓✗] (\S+) \((.+)\)$/gm)].map(([, name = '', why = '']) => [name, why]),
    );
    const scenarios: Scenario[] = [];
    for (const results of (await readdir(folder)).filter((name) => name.startsWith(prefix))) {
      const name = results.slice(prefix.length).replace(/-\d{4}-\d\d-\d\dT.*$/, '');
      const checks = await checksIn(path.join(folder, results, 'checks.json'));
      const why = notScored.get(name);
      scenarios.push({
        name,
        passed: checks.filter(({ status }) => status === 'SUCCESS').map(({ id }) => id),
        failed: saying(checks, 'FAILURE'),
        remarks: saying(checks, 'SKIPPED', 'WARNING'),
        ...(why !== undefined && { notScored: why }),
      });
    }
    if (scenarios.length === 0) throw new Error(`the suite ran nothing:\n${said.slice(-2_000)}`);
    return scenarios.sort((a, b) => (a.name < b.name ? -1 : 1));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function saying(checks: readonly Check[], ...of: Check['status'][]) {
  return checks
    .filter(({ status }) => of.includes(status))
    .map(({ id, errorMessage = '' }) => ({ id, why: errorMessage }));
}

/** Of a scenario that broke there are none. */
async function checksIn(file: string): Promise<Check[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]';
    throw error;
  });
  return JSON.parse(text) as Check[];
}

/** What a program wrote; the suite ends with 1 when a check failed. */
function output(argv: readonly string[], cwd: string): Promise<string> {
  const child = spawn(process.execPath, argv, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(said));
  });
}
