import type { Caller } from '@writ/api';
import type { Blobs } from '@writ/blobs';
import type { Enforcement } from '@writ/enforcement';
import { refuse, type Json } from '@writ/ledger/domain';
import type { Execution, ExecResult } from '../isolation/isolation.js';
import { permitted } from '../permitted.js';
import { FrameQueue } from './frame-queue.js';
import type { LiveSandbox } from './live.js';
import { KeptOutput, type OutputSummary } from './kept-output.js';

/** A piece of what a command wrote, or its end. */
export type Frame = { readonly stdout: Uint8Array } | { readonly stderr: Uint8Array } | { readonly end: ExecResult };

/** A command, with every default filled in. */
export interface CommandRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly effectId: string;
  /** Absent: as long as the sandbox lives. */
  readonly timeoutMs?: number;
  /** Whether a repeat under the same effect id is to get the output again. */
  readonly keepOutput: boolean;
  /** What it reads: all at once, or as it comes. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
}

const FRAMES_AHEAD = 16;
const FRAME_BYTES = 256 * 1024;

/** Runs commands in sandboxes, each as one enforced action whose output is streamed while it happens. */
export class Commands {
  constructor(
    private readonly enforcement: Enforcement,
    private readonly blobs: Blobs,
  ) {}

  /** Frames as the command writes, then its end. A command that ran before under this effect id gives its old output. */
  async *run(sandbox: LiveSandbox, request: CommandRequest, caller: Caller): AsyncGenerator<Frame, void, undefined> {
    const frames = new FrameQueue<Frame>(FRAMES_AHEAD);
    const gone = new AbortController();
    const signal = AbortSignal.any([caller.signal, gone.signal]);
    const kept = new KeptOutput(this.blobs, request.keepOutput);
    let here = false;
    const performing = permitted(
      this.enforcement,
      { ...caller, signal },
      {
        action: 'sandbox.exec',
        resource: { type: 'Sandbox', id: sandbox.id },
        arguments: { program: request.argv[0] ?? '', argv: [...request.argv], cwd: request.cwd },
        effectId: request.effectId,
      },
      (aborted) => {
        here = true;
        return this.execute({ sandbox, request, frames, kept }, aborted);
      },
      ({ summary }) => summary as unknown as Json,
    );
    const settled = performing
      .then(async (done) => {
        // The end is told when it is in the ledger, not before. Who joined another call of the same effect has no output yet.
        if ('now' in done && here) await frames.push({ end: done.now.end });
        else {
          const summary = 'now' in done ? done.now.summary : (done.before as unknown as OutputSummary);
          for await (const frame of kept.replay(summary)) await frames.push(frame);
        }
        frames.end();
      })
      .catch((error: unknown) => frames.end(error));
    try {
      yield* frames;
    } finally {
      gone.abort(refuse('request.cancelled', 'the caller went away'));
      await settled;
    }
  }

  private async execute(
    {
      sandbox,
      request,
      frames,
      kept,
    }: { sandbox: LiveSandbox; request: CommandRequest; frames: FrameQueue<Frame>; kept: KeptOutput },
    signal: AbortSignal,
  ): Promise<{ end: ExecResult; summary: OutputSummary }> {
    const { isolated } = sandbox;
    if (isolated === undefined || sandbox.stopping !== undefined)
      throw refuse('sandbox.stopped', `${sandbox.id} has stopped`);
    signal.throwIfAborted();
    const { argv, cwd, env, timeoutMs, stdin } = request;
    const execution = isolated.exec({
      argv,
      env,
      stdin: stdin !== undefined,
      ...(cwd !== '' && { cwd }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    const kill = (): void => execution.kill();
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    try {
      feed(execution, stdin);
      await Promise.all([pump(execution, 'stdout', frames, kept), pump(execution, 'stderr', frames, kept)]);
      const end = await execution.result;
      if (end.reason === 'cancelled' && signal.aborted) throw signal.reason;
      return { end, summary: await kept.summary(end) };
    } finally {
      signal.removeEventListener('abort', kill);
    }
  }
}

/** What is written to a process that has ended, or never reads, is lost, as with a pipe. */
function feed({ stdin: to }: Execution, from: CommandRequest['stdin']): void {
  if (to === undefined || from === undefined) return;
  to.on('error', () => undefined);
  if (from instanceof Uint8Array) {
    to.end(from);
    return;
  }
  void (async () => {
    for await (const chunk of from)
      if (!to.destroyed && !to.write(chunk))
        await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve));
    to.end();
  })().catch(() => to.destroy());
}

async function pump(
  execution: Execution,
  which: 'stdout' | 'stderr',
  frames: FrameQueue<Frame>,
  kept: KeptOutput,
): Promise<void> {
  for await (const chunk of execution[which] as AsyncIterable<Buffer>) {
    kept.add(which, chunk);
    for (let at = 0; at < chunk.length; at += FRAME_BYTES) {
      const bytes = chunk.subarray(at, at + FRAME_BYTES);
      await frames.push(which === 'stdout' ? { stdout: bytes } : { stderr: bytes });
    }
  }
}
