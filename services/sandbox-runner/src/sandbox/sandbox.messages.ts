import { durationMs, timestampFromDate, type Duration } from '@bufbuild/protobuf/wkt';
import { refuse } from '@writ/ledger/domain';
import type { CreateSandboxRequest, ExecRequest, Limits } from '@writ/proto/sandbox/v1/sandbox';
import { defaultLimits } from '../config.js';
import type { CommandRequest, Frame } from './commands.js';
import type { LiveSandbox } from './live.js';
import type { SandboxLimits } from './sandbox.events.js';
import type { SandboxRow } from './sandbox.view.js';

const DEFAULT_KEEP_MS = 15 * 60_000;
const MAX_KEEP_MS = 24 * 60 * 60_000;
const DEFAULT_TIMEOUT_MS = 60_000;

/** Zero, which is what an absent number is, means the default. */
export function limitsOf(asked: Limits | undefined): SandboxLimits {
  const { memoryMib, processes, cpuMilli, diskMib } = defaultLimits;
  return {
    memoryMib: Math.max(16, asked?.memoryMib || memoryMib),
    processes: Math.max(4, asked?.processes || processes),
    cpuMilli: Math.max(10, asked?.cpuMilli || cpuMilli),
    diskMib: Math.max(16, asked?.diskMib || diskMib),
  };
}

/** Throws `sandbox.exec_invalid` for a time that is no time. */
export function keepMsOf({ keep }: Pick<CreateSandboxRequest, 'keep'>): number {
  return Math.min(MAX_KEEP_MS, millisecondsOf(keep, 'keep') || DEFAULT_KEEP_MS);
}

/** A command as it came over the wire. Throws `sandbox.exec_invalid`. */
export function commandOf(request: ExecRequest): CommandRequest {
  const { argv, cwd, env, effectId, stdin } = request;
  const texts = [...argv, cwd, ...Object.entries(env).flat()];
  if (argv[0] === undefined || argv[0] === '')
    throw refuse('sandbox.exec_invalid', 'a command needs at least its program');
  if (texts.some((text) => text.includes('\0')))
    throw refuse('sandbox.exec_invalid', 'a command cannot contain a NUL character');
  const wrong = Object.keys(env).find((name) => name === '' || name.includes('='));
  if (wrong !== undefined) throw refuse('sandbox.exec_invalid', `'${wrong}' is not the name of a variable`);
  // The kernel takes two MiB of arguments and environment, and the launcher has room for a little more.
  if (texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 9, 0) > 1_900_000)
    throw refuse(
      'sandbox.exec_invalid',
      'the command line and the environment are larger than 1.9 MB; pass data by stdin or a file',
    );
  const timeoutMs = millisecondsOf(request.timeout, 'timeout') || DEFAULT_TIMEOUT_MS;
  return { argv, cwd, env, effectId, timeoutMs, keepOutput: true, ...(stdin.length > 0 && { stdin }) };
}

/** A command that is attached to: without a timeout it lives as long as its sandbox. */
export function attachedOf(request: ExecRequest, stdin: AsyncIterable<Uint8Array>): CommandRequest {
  const { timeoutMs: _, ...command } = commandOf(request);
  const timeoutMs = millisecondsOf(request.timeout, 'timeout');
  return { ...command, stdin, keepOutput: false, ...(timeoutMs > 0 && { timeoutMs }) };
}

function millisecondsOf(duration: Duration | undefined, name: string): number {
  const ms = duration === undefined ? 0 : durationMs(duration);
  if (ms < 0 || !Number.isFinite(ms)) throw refuse('sandbox.exec_invalid', `${name} cannot be ${ms} ms`);
  return ms;
}

/** One frame of an answer. */
export function frameOf(frame: Frame) {
  if ('stdout' in frame) return { frame: { case: 'stdout', value: frame.stdout } } as const;
  if ('stderr' in frame) return { frame: { case: 'stderr', value: frame.stderr } } as const;
  const { exitCode, reason, signal = '', durationMs: took } = frame.end;
  return { frame: { case: 'end', value: { exitCode, reason, signal, durationMs: BigInt(took) } } } as const;
}

/** A sandbox of this process, which the view may not know yet. */
export function liveMessage({ id, requested, created, isolated }: LiveSandbox) {
  const { name, artifact, commit, limits, tier, agent, run = '', expires } = requested;
  return {
    id,
    name,
    state: isolated === undefined ? 'starting' : 'running',
    tier,
    from: artifact === undefined ? '' : `${artifact}@${commit}`,
    run,
    agent,
    limits: { ...limits },
    createTime: timestampFromDate(created),
    expireTime: timestampFromDate(new Date(expires)),
    reason: '',
  };
}

export function rowMessage(row: SandboxRow) {
  const { id, name, state, tier, reason, agent, limits } = row;
  return {
    id,
    name,
    state,
    tier,
    reason,
    agent,
    from: row.artifact === null ? '' : `${row.artifact}@${row.commit}`,
    run: row.run ?? '',
    limits: { ...limits },
    createTime: timestampFromDate(row.created),
    expireTime: timestampFromDate(row.expires),
  };
}
