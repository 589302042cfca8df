import { ReadBuffer, serializeMessage, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { GrpcClient } from '@writ/api';
import { AttachRequestSchema, type SandboxService } from '@writ/proto/sandbox/v1/sandbox';

/** Bytes of the server's standard error that are kept, to say why it ended. */
const KEPT_ERROR_BYTES = 2_000;

type Frame = MessageInitShape<typeof AttachRequestSchema>;

/** MCP over the standard input and output of a process in a sandbox: one JSON-RPC message a line. */
export class SandboxTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly frames: Frame[] = [];
  private readonly abort = new AbortController();
  private wake = (): void => {};
  private ended = false;
  private lastError = '';
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly sandboxes: GrpcClient<typeof SandboxService>,
    private readonly process: { sandbox: string; argv: readonly string[]; env: Record<string, string> },
    private readonly metadata: () => Promise<Record<string, string>>,
  ) {}

  async start(): Promise<void> {
    const { sandbox: id, argv, env } = this.process;
    this.push({ frame: { case: 'start', value: { id, argv: [...argv], env } } });
    this.reading = this.read(await this.metadata());
  }

  /** The end of what the process wrote to its standard error. */
  get complaint(): string {
    return this.lastError;
  }

  send(message: JSONRPCMessage): Promise<void> {
    if (this.ended) return Promise.reject(new Error(`the server has ended${this.lastError && `: ${this.lastError}`}`));
    this.push({ frame: { case: 'stdin', value: Buffer.from(serializeMessage(message)) } });
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.push({ frame: { case: 'close', value: true } });
    this.abort.abort();
    await this.reading;
  }

  private push(frame: Frame): void {
    this.frames.push(create(AttachRequestSchema, frame));
    this.wake();
  }

  private async *outgoing(): AsyncGenerator<Frame> {
    while (!this.ended) {
      yield* this.frames.splice(0);
      if (this.frames.length === 0 && !this.ended) await new Promise<void>((wake) => (this.wake = wake));
    }
  }

  private async read(metadata: Record<string, string>): Promise<void> {
    const buffer = new ReadBuffer();
    try {
      const answers = this.sandboxes.attach(this.outgoing(), { metadata, signal: this.abort.signal });
      for await (const { frame } of answers) {
        if (frame.case === 'stdout') this.take(buffer, frame.value);
        else if (frame.case === 'stderr')
          this.lastError = `${this.lastError}${Buffer.from(frame.value).toString('utf8')}`.slice(-KEPT_ERROR_BYTES);
        else if (frame.case === 'end') break;
      }
    } catch (error) {
      if (!this.abort.signal.aborted) {
        this.lastError ||= (error as Error).message;
        this.onerror?.(error as Error);
      }
    } finally {
      this.ended = true;
      this.wake();
      this.onclose?.();
    }
  }

  private take(buffer: ReadBuffer, bytes: Uint8Array): void {
    buffer.append(Buffer.from(bytes));
    for (;;)
      try {
        const message = buffer.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        this.onerror?.(error as Error); // a line that is no message is passed over, as the specification has it for logs
      }
  }
}
