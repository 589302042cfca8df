/** What set-up tells, on stderr: stdout belongs to the program that runs after it. */
import { spawn } from 'node:child_process';

const quiet = process.argv.includes('--quiet');
const started = Date.now();

/** Something was already there; silent with `--quiet`. */
export function present(what) {
  if (!quiet) process.stderr.write(`  ✓ ${what}\n`);
}

/** Something was done, or the user should know. */
export function note(text) {
  process.stderr.write(`  ${text}\n`);
}

export function finished() {
  if (!quiet) process.stderr.write(`  ready (set-up took ${seconds(started)})\n`);
}

/** A failure that ends set-up; its message says what to do. */
export class SetupError extends Error {}

/**
 * Runs a command and shows that it is alive: in a terminal the seconds count up on one line, in a log a line each 10 s.
 *
 * @returns {Promise<{code: number | null, output: string}>} never rejects; a missing program gives code 127
 */
export async function run(what, command, args, options = {}) {
  const begin = Date.now();
  const terminal = process.stderr.isTTY;
  process.stderr.write(`  … ${what}${terminal ? '' : '\n'}`);
  const timer = setInterval(
    () => process.stderr.write(terminal ? `\r  … ${what} (${seconds(begin)})` : `    ${what}: ${seconds(begin)}\n`),
    terminal ? 1_000 : 10_000,
  );
  const result = await capture(command, args, options);
  clearInterval(timer);
  process.stderr.write(`${terminal ? '\r' : ''}  ${result.code === 0 ? '✓' : '✗'} ${what} (${seconds(begin)})\n`);
  return result;
}

/** The same without a word, for questions. */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ code: 127, output: String(error) }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** The end of an output, indented, for messages. */
export function tail(output, lines = 12) {
  const last = output.trimEnd().split('\n').slice(-lines);
  return last.map((line) => `    ${line}`).join('\n');
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
