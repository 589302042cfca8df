import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { SandboxService, type ExecEnd, type FileEntry } from '@writ/proto/sandbox/v1/sandbox';
import type { Session } from '../client/session.js';
import { durationMs } from '../define/duration.js';
import { WritError } from '../errors/errors.js';
import type { ExecFrame, FileInfo, SandboxPort } from '../sandbox/port.js';
import type { ExecResult, SandboxOptions } from '../sandbox/sandbox.js';

const service = SandboxService.method;

/** Sandboxes of the platform, under the authority of a run or of the caller itself. */
export function sandboxClient(session: Session, run?: string): SandboxPort {
  const calling = (signal: AbortSignal | undefined) => ({ run, signal });
  return {
    async create(opts, effectId, signal) {
      checkOptions(opts);
      const keep = opts.keep === undefined ? {} : { keep: durationFromMs(durationMs(opts.keep)) };
      const request = { name: opts.name ?? '', from: opts.from ?? '', effectId, ...keep };
      const { sandbox } = await session.call(service.createSandbox, request, calling(signal));
      if (!sandbox) throw new WritError('the server made a sandbox and did not say which', { code: 'internal.error' });
      return { id: sandbox.id };
    },
    async *exec(id, { argv, cwd, env, stdin, timeoutMs }, effectId, signal) {
      const limit = timeoutMs === undefined ? {} : { timeout: durationFromMs(timeoutMs) };
      const request = {
        id,
        argv: [...argv],
        cwd: cwd ?? '',
        env: { ...env },
        effectId,
        ...(stdin ? { stdin } : {}),
        ...limit,
      };
      for await (const { frame } of session.stream(service.exec, request, calling(signal))) {
        if (frame.case === 'end') yield { end: endOf(frame.value) } satisfies ExecFrame;
        else if (frame.case) yield { stream: frame.case, bytes: frame.value } satisfies ExecFrame;
      }
    },
    async readFile(id, path, signal) {
      return (await session.call(service.readFile, { id, path }, calling(signal))).data;
    },
    async writeFile(id, path, data, signal) {
      await session.call(service.writeFile, { id, path, data }, calling(signal));
    },
    async files(id, verb, path, signal) {
      const { entries } = await session.call(service.changeFiles, { id, path, verb }, calling(signal));
      return entries.map(infoOf);
    },
    async stop(id, reason, signal) {
      await session.call(service.stopSandbox, { id, reason }, calling(signal));
    },
  };
}

/** What the platform cannot do yet must not be silently left out: least of all a wider network. */
function checkOptions({ image, network }: SandboxOptions): void {
  const option = image !== undefined ? 'image' : network !== undefined && network !== 'none' ? 'network' : undefined;
  if (option)
    throw new WritError(`sandboxes do not know '${option}' yet`, { code: 'unsupported', details: { option } });
}

const reasons = new Set<string>([
  'exit',
  'signal',
  'timeout',
  'oom',
  'denied',
  'disk_full',
  'stopped',
] satisfies ExecResult['reason'][]);

function endOf({ exitCode, reason }: ExecEnd): { exitCode: number; reason: ExecResult['reason'] } {
  return { exitCode, reason: reasons.has(reason) ? (reason as ExecResult['reason']) : 'signal' };
}

function infoOf({ name, kind, size, modifyTime }: FileEntry): FileInfo {
  return {
    name,
    kind: kind === 'directory' || kind === 'symlink' ? kind : 'file',
    size: Number(size),
    modifyTimeMs: modifyTime ? timestampMs(modifyTime) : 0,
  };
}
