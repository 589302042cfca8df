import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** How one scenario of the suite went. */
export interface Scenario {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'left out';
  readonly why: string;
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: 'passed' | 'failed' | 'pending' | 'skipped' | 'todo';
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

const require = createRequire(import.meta.url);
const packageName = '@durable-streams/server-conformance-tests';
/** Of one scenario: some wait for a long poll to end. Its client never gives up where nobody listens. */
const scenarioMs = { writ: 60_000, nobody: 2_000 };

export async function suiteVersion(): Promise<string> {
  const manifest = path.join(folderOf(packageName), 'package.json');
  return (JSON.parse(await readFile(manifest, 'utf8')) as { version: string }).version;
}

/** Runs the public conformance suite against a server, in a process of its own. */
export async function runSuite(url: string, of: keyof typeof scenarioMs): Promise<Scenario[]> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'writ-durable-streams-'));
  try {
    const [config, output] = [path.join(scratch, 'vitest.config.mjs'), path.join(scratch, 'report.json')];
    const root = path.join(folderOf(packageName), 'dist');
    const settings = {
      root,
      include: ['test-runner.js'],
      exclude: [],
      testTimeout: scenarioMs[of],
      hookTimeout: scenarioMs[of],
    };
    await writeFile(config, `export default ${JSON.stringify({ root, cacheDir: scratch, test: settings })};\n`);
    const program = path.join(folderOf('vitest'), 'vitest.mjs');
    const argv = [program, 'run', '--config', config, '--reporter', 'json', '--outputFile', output];
    const said = await ended(argv, { CONFORMANCE_TEST_URL: url, NODE_OPTIONS: '' });
    const report = await readFile(output, 'utf8').catch(() =>
      Promise.reject(new Error(`the suite did not run:\n${said}`)),
    );
    return scenariosOf(JSON.parse(report) as Report);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function scenariosOf({ testResults }: Report): Scenario[] {
  return testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ ancestorTitles, title, status, failureMessages = [] }) => ({
      name: [...ancestorTitles, title].join(' › '),
      outcome: status === 'passed' || status === 'failed' ? status : 'left out',
      why: (failureMessages[0] ?? '').split('\n')[0] ?? '',
    })),
  );
}

/** Where the manifest of a package is, also of one that does not export it. */
function folderOf(name: string): string {
  for (const base of require.resolve.paths(name) ?? [])
    try {
      require(path.join(base, name, 'package.json'));
      return path.join(base, name);
    } catch {
      // not here
    }
  throw new Error(`${name} is not installed`);
}

/** @returns what it said last; it ends badly where a scenario fails, which is no error here */
async function ended(argv: readonly string[], env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void (said = (said + chunk.toString()).slice(-4_000)));
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}
