import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { projectRoot, verifies } from '@writ/testkit';
import type { Outcome } from '../demo/page.js';

const DEMO_TIMEOUT_MS = 180_000;
let folder: string;
let repository: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'writ-demo-'));
  repository = path.join(folder, 'shop');
  mkdirSync(repository);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the demo as `npm run demo -- --json` does, and gives what it printed. */
async function demo(data: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const argv = [path.join(projectRoot, 'e2e/demo/main.mjs'), '--json', '--data', path.join(folder, data), ...args];
  const child = spawn(process.execPath, argv, { cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...text };
}

function outcomeOf({ code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): Outcome {
  if (code !== 0) throw new Error(`the demo ended with ${code}\n${stderr}\n${stdout.slice(0, 2000)}`);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Outcome;
}

function git(...args: string[]): void {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', '-c', 'commit.gpgsign=false'];
  execFileSync('git', [...identity, ...args], { cwd: repository, stdio: 'ignore' });
}

/** Processes whose command line names the demo's folder. */
function leftOver(): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it ended meanwhile
      }
    })
    .filter((command) => command.includes(folder));
}

/** The broker has refused nothing to any service. */
function expectEnoughPermissions(data: string): void {
  verifies('nats.enough');
  const log = readFileSync(path.join(folder, data, 'nats/nats.log'), 'utf8');
  expect(log).toContain('Server is ready');
  expect(log.match(/.*(?:Violation|Authorization Error).*/g)).toBeNull();
}

function expectMainJob(outcome: Outcome): void {
  expect(outcome).toMatchObject({
    ok: true,
    workers: 2,
    subagents: 4,
    denied: { tool: 'files/write_file' },
    audit: { verified: true },
    replay: { identical: true, liveCalls: 0 },
    revocation: { acceptedAfter: 0 },
  });
  expect(outcome.run).toMatch(/^run_/);
  expect(outcome.commit).toMatch(/^[0-9a-f]{40}$/);
  expect(outcome.steps.executed).toBeGreaterThanOrEqual(6);
  expect(outcome.steps.reexecuted).toBe(0);
  expect(outcome.decisions.permit).toBeGreaterThan(8);
  expect(outcome.decisions.deny).toBeGreaterThanOrEqual(1);
  expect(outcome.decisions.approval).toBe(1);
  expect(outcome.denied.reason).not.toBe('');
  expect(outcome.audit.events).toBeGreaterThan(20);
  expect(outcome.audit.treeSize).toBeGreaterThanOrEqual(outcome.audit.events);
  expect(outcome.audit.checkpoint).toContain(`\n${outcome.audit.treeSize}\n`);
  expect(['fsync', 'flush']).toContain(outcome.durability);
  expect(outcome.natsServer).toMatch(/^2\./);
  expect(outcome.timings.totalMs).toBeGreaterThanOrEqual(outcome.timings.runMs);
  expect(leftOver()).toEqual([]);
}

test(
  'the demo does the main job on this repository',
  async () => {
    verifies('demo.main_job');
    const outcome = outcomeOf(await demo('own'));
    expectMainJob(outcome);
    expectEnoughPermissions('own');
    expect(outcome.repository).toBe('writ');
    expect(readFileSync(outcome.report, 'utf8')).toContain('# Review of writ');
  },
  DEMO_TIMEOUT_MS,
);

test(
  'on another repository it finds what was planted, and knows it again the next time',
  async () => {
    verifies('demo.main_job', 'demo.remembers');
    git('init', '-q', '-b', 'main');
    writeFileSync(
      path.join(repository, 'README.md'),
      '# Shop\n\nSee [the guide](docs/guide.md) and [prices](prices.md).\n',
    );
    writeFileSync(
      path.join(repository, 'package.json'),
      JSON.stringify({ name: 'shop', dependencies: { left: '^1.0.0', right: '*' } }),
    );
    writeFileSync(path.join(repository, 'config.py'), `KEY = "${'AKIA'}${'ABCDEFGHIJKLMNOP'}"\n`);
    git('add', '.');
    git('commit', '-qm', 'shop: first');
    writeFileSync(path.join(repository, 'config.py'), 'import os\nKEY = os.environ["KEY"]\n');
    git('add', '.');
    git('commit', '-qm', 'shop: take the key out');

    const first = outcomeOf(await demo('shop-data', '--repo', repository));
    expectMainJob(first);
    expect(first.repository).toBe('shop');
    expect(first.findings).toMatchObject({ known: 0, gone: 0 });
    const report = readFileSync(first.report, 'utf8');
    for (const planted of [
      'aws-access-key',
      'it stays in the history',
      'docs/guide.md leads to nothing',
      'right is not pinned',
      'names no licence',
    ])
      expect(report).toContain(planted);
    expect(report).not.toContain('ABCDEFGHIJKLMNOP');

    writeFileSync(path.join(repository, 'prices.md'), '# Prices\n');
    git('add', '.');
    git('commit', '-qm', 'shop: prices');
    const second = outcomeOf(await demo('shop-data', '--repo', repository));
    expectMainJob(second);
    expectEnoughPermissions('shop-data');
    expect(second.findings.gone).toBe(1);
    expect(second.findings.known).toBe(first.findings.new - 1);
    expect(second.findings.new).toBeLessThanOrEqual(1);
  },
  2 * DEMO_TIMEOUT_MS,
);

test(
  'what is not a repository is refused with a sentence, and nothing is left running',
  async () => {
    const { code, stdout, stderr } = await demo('none', '--repo', path.join(folder, 'nothing-here'));
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('nothing-here');
    expect(leftOver()).toEqual([]);
  },
  DEMO_TIMEOUT_MS,
);
