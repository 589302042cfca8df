import { durationMs } from '../define/duration.js';
import { WritError } from '../errors/errors.js';
import type { ExecFrame, ExecRequest } from './port.js';
import type { Exec, ExecOptions, ExecOutput, ExecResult } from './sandbox.js';

/** The request of a command. @throws WritError `input.invalid` for an empty argv */
export function requestOf(argv: readonly string[], opts: ExecOptions): ExecRequest {
  if (argv.length === 0)
    throw new WritError('a command needs at least its program: exec([program, …])', { code: 'input.invalid' });
  const { cwd, env, stdin, timeout } = opts;
  return {
    argv,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(stdin === undefined ? {} : { stdin: typeof stdin === 'string' ? new TextEncoder().encode(stdin) : stdin }),
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
  };
}

/** All frames, with the pieces of one stream that follow each other put together: what is recorded of a command. */
export async function collect(frames: AsyncIterable<ExecFrame>): Promise<ExecFrame[]> {
  const collected: ExecFrame[] = [];
  for await (const frame of frames) {
    const last = collected.at(-1);
    if ('bytes' in frame && last && 'bytes' in last && last.stream === frame.stream)
      collected[collected.length - 1] = {
        stream: frame.stream,
        bytes: Uint8Array.from(Buffer.concat([last.bytes, frame.bytes])),
      };
    else collected.push(frame);
  }
  return collected;
}

/** A command over its frames. It starts at once; the output is kept for `result()` and given to one reader. */
export function execOf(frames: AsyncIterable<ExecFrame>): Exec {
  const output: ExecOutput[] = [];
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  let wake = () => {};
  let over = false;
  const push = (stream: ExecOutput['stream'], text: string) => {
    if (text) output.push({ stream, text });
    wake();
  };
  const ended = (async (): Promise<ExecResult> => {
    try {
      for await (const frame of frames) {
        if ('bytes' in frame) push(frame.stream, decoders[frame.stream].decode(frame.bytes, { stream: true }));
        else {
          for (const stream of ['stdout', 'stderr'] as const) push(stream, decoders[stream].decode());
          const text = (stream: string) =>
            output
              .filter((each) => each.stream === stream)
              .map((each) => each.text)
              .join('');
          return { ...frame.end, stdout: text('stdout'), stderr: text('stderr') };
        }
      }
      throw new WritError('the command did not say how it ended', { code: 'sandbox.outcome_unknown' });
    } finally {
      over = true;
      wake();
    }
  })();
  ended.catch(() => {});
  return {
    result: () => ended,
    async *[Symbol.asyncIterator]() {
      for (let next = 0; ;) {
        const piece = output[next];
        if (piece) {
          next++;
          yield piece;
        } else if (over) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      await ended;
    },
  };
}
