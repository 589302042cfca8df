import type { Blobs } from '@writ/blobs';
import { refuse } from '@writ/ledger/domain';
import type { ExecReason, ExecResult } from '../isolation/isolation.js';

/** Up to here it stands in the event; up to there it is a blob; beyond it is not kept. */
const INLINE_BYTES = 8 * 1024;
const BLOB_BYTES = 16 * 1024 * 1024;

/** One stream in a summary: base64, the hash of a blob, or how much was not kept. */
type Kept = { readonly inline: string } | { readonly blob: string } | { readonly lost: number };

/** What is recorded of a command, for whoever asks for the same effect again. */
export interface OutputSummary {
  readonly exitCode: number;
  readonly reason: ExecReason;
  readonly signal?: string;
  readonly durationMs: number;
  readonly stdout: Kept;
  readonly stderr: Kept;
}

/** Keeps what a command writes, so that an effect that is retried gets the output that it would have got. */
export class KeptOutput {
  private readonly streams = {
    stdout: { chunks: [] as Buffer[], bytes: 0 },
    stderr: { chunks: [] as Buffer[], bytes: 0 },
  };

  constructor(
    private readonly blobs: Blobs,
    private readonly keep: boolean,
  ) {}

  add(which: 'stdout' | 'stderr', chunk: Buffer): void {
    const stream = this.streams[which];
    stream.bytes += chunk.length;
    if (this.keep && stream.bytes <= BLOB_BYTES) stream.chunks.push(chunk);
    else stream.chunks.length = 0;
  }

  async summary(end: ExecResult): Promise<OutputSummary> {
    const [stdout, stderr] = await Promise.all([this.kept('stdout'), this.kept('stderr')]);
    return { ...end, stdout, stderr };
  }

  /** The frames of a command that ran before. Throws `sandbox.output_not_kept`. */
  async *replay({
    stdout,
    stderr,
    ...end
  }: OutputSummary): AsyncGenerator<{ stdout: Uint8Array } | { stderr: Uint8Array } | { end: ExecResult }> {
    const [out, err] = await Promise.all([this.restored(stdout), this.restored(stderr)]);
    if (out.length > 0) yield { stdout: out };
    if (err.length > 0) yield { stderr: err };
    yield { end };
  }

  private async kept(which: 'stdout' | 'stderr'): Promise<Kept> {
    const { chunks, bytes } = this.streams[which];
    if (bytes > BLOB_BYTES || (bytes > 0 && !this.keep)) return { lost: bytes };
    const content = Buffer.concat(chunks);
    if (bytes <= INLINE_BYTES) return { inline: content.toString('base64') };
    return { blob: (await this.blobs.put(content)).hash };
  }

  private async restored(kept: Kept): Promise<Uint8Array> {
    if ('lost' in kept)
      throw refuse(
        'sandbox.output_not_kept',
        `the command has run before; its ${kept.lost} bytes of output were not kept`,
      );
    return 'inline' in kept ? Buffer.from(kept.inline, 'base64') : this.blobs.get(kept.blob as `sha256:${string}`);
  }
}
