import { executable, launcherImage, PROGRAM_BASE } from '../isolation/launcher/image.js';
import { Program } from '../isolation/launcher/program.js';
import type { Execution, IsolatedSandbox } from '../isolation/isolation.js';
import type { Architecture, Syscall } from '../isolation/seccomp/syscalls.js';

export const architecture: Architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

/** A system call to try inside; strings become pointers to NUL-terminated text. */
export type Probe = readonly [name: Syscall, ...args: readonly (number | bigint | string)[]];

/**
 * Makes these calls inside a sandbox, as a program that is put into it, without any interpreter or compiler. Gives the
 * result of each: negative is the errno. A killed program gives `undefined` for what it did not reach.
 */
export async function probe(sandbox: IsolatedSandbox, probes: readonly Probe[]): Promise<(number | undefined)[]> {
  const program = new Program(architecture);
  for (const [name, ...args] of probes) {
    const result = program.words(Number.MIN_SAFE_INTEGER);
    const step = program.call(
      name,
      ...args.map((argument) => (typeof argument === 'string' ? program.text(argument) : argument)),
    );
    step.storedAt(result).orContinue();
    program.call('write', 1, result, 8);
    program.call('write', 1, { address: PROGRAM_BASE }, 8); // the last errno
  }
  program.call('exit_group', 0);
  await sandbox.files.write('/home/agent/probe', launcherImage(architecture));
  await sandbox.files.write('/home/agent/probe.program', program.assemble().bytes);
  const { stdout } = await run(sandbox, ['sh', '-c', 'chmod +x ~/probe && exec ~/probe 3< ~/probe.program']);
  return probes.map((_, index) => {
    if (stdout.length < (index + 1) * 16) return undefined;
    const result = Number(stdout.readBigInt64LE(index * 16));
    return result === Number.MIN_SAFE_INTEGER ? Number(stdout.readBigInt64LE(index * 16 + 8)) : result;
  });
}

/** Runs machine code inside; it ends by itself or is killed. */
export async function runCode(sandbox: IsolatedSandbox, code: Uint8Array): ReturnType<typeof run> {
  await sandbox.files.write('/home/agent/code', executable(architecture, code));
  return run(sandbox, ['sh', '-c', 'chmod +x ~/code && exec ~/code']);
}

/** What a command said and how it ended. */
export async function finished(
  execution: Execution,
): Promise<Awaited<Execution['result']> & { stdout: Buffer; stderr: Buffer; text: string }> {
  const output: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  const streams = (['stdout', 'stderr'] as const).map((which) => {
    execution[which].on('data', (chunk: Buffer) => void output[which].push(chunk));
    return new Promise((resolve) => execution[which].once('close', resolve));
  });
  const [result] = await Promise.all([execution.result, ...streams]);
  const stdout = Buffer.concat(output.stdout);
  return { ...result, stdout, stderr: Buffer.concat(output.stderr), text: stdout.toString() };
}

/** Runs a command to its end. */
export const run = (
  sandbox: IsolatedSandbox,
  argv: readonly string[],
  options: { timeoutMs?: number; env?: Record<string, string>; cwd?: string } = {},
): ReturnType<typeof finished> => finished(sandbox.exec({ argv, timeoutMs: 30_000, ...options }));

/** Runs a shell script to its end. */
export const sh = (sandbox: IsolatedSandbox, script: string, timeoutMs = 30_000): ReturnType<typeof finished> =>
  run(sandbox, ['sh', '-c', script], { timeoutMs });
