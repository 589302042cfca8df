import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DomainError } from '@writ/ledger/domain';
import type { ConnectResponseSchema, TaskSchema } from '@writ/proto/worker/v1/worker';

type Frame = MessageInitShape<typeof ConnectResponseSchema>;
type Task = MessageInitShape<typeof TaskSchema>;

/** A frame takes no more tasks beyond this; gRPC's limit is 4 MiB. */
const frameBytes = 1024 * 1024;
const frameTasks = 1000;

/** What waits to be written to a stream. While one frame is being written the next one fills. */
export class Outbound {
  private tasks: { task: Task; size: number }[] = [];
  private ended = false;
  private error: DomainError | undefined;
  private wake: (() => void) | undefined;

  task(task: Task, size: number): void {
    if (this.ended) return;
    this.tasks.push({ task, size });
    this.notify();
  }

  end(error?: DomainError): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    this.notify();
  }

  async *frames(): AsyncIterable<Frame> {
    for (;;) {
      while (this.tasks.length === 0 && !this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
      if (this.tasks.length > 0) yield { tasks: this.take() };
      else if (this.error) throw this.error;
      else return;
    }
  }

  private take(): Task[] {
    let bytes = 0;
    let count = 0;
    for (const { size } of this.tasks) {
      if (count > 0 && (bytes + size > frameBytes || count === frameTasks)) break;
      bytes += size;
      count++;
    }
    const taken = count === this.tasks.length ? this.tasks : this.tasks.slice(0, count);
    this.tasks = count === this.tasks.length ? [] : this.tasks.slice(count);
    return taken.map(({ task }) => task);
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
