import type { Caller, ServiceImplementation } from '@writ/api';
import { ApiService } from '@writ/api';
import { Inject } from '@nestjs/common';
import { newId, refuse } from '@writ/ledger/domain';
import {
  WorkerService,
  type ConnectRequest,
  type Hello,
  type ReadValueRequest,
  type UploadValueRequest,
} from '@writ/proto/worker/v1/worker';
import type { Scheduler } from '../scheduler.js';
import { maxValueBytes } from '../values/value-store.js';
import { maxInlineBytes } from '../values/inline.js';
import { pieces } from './payload.js';
import type { Session } from '../worker/session.js';
import { WorkerStreams } from '../worker/worker-streams.js';
import { may } from './may.js';
import { SCHEDULER, WORKER_STREAMS } from './tokens.js';

/** Implements `writ.worker.v1.WorkerService`; the protocol stands in the proto. */
@ApiService(WorkerService)
export class WorkerApi implements ServiceImplementation<typeof WorkerService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(WORKER_STREAMS) private readonly streams: WorkerStreams,
  ) {}

  async *connect(requests: AsyncIterable<ConnectRequest>, caller: Caller) {
    const frames = requests[Symbol.asyncIterator]();
    const first = await frames.next();
    const hello = first.done ? undefined : first.value.hello;
    if (!hello) throw refuse('worker.bad_hello', 'the first frame has no hello');
    may(caller, 'worker.connect', `queue/${hello.queue || 'default'}`);
    const session = this.streams.open(newId('ses'), checked(hello), caller);
    try {
      yield {
        welcome: { session: session.id, maxInlineBytes: BigInt(maxInlineBytes), maxValueBytes: BigInt(maxValueBytes) },
      };
      void listen(frames, session);
      yield* session.frames();
    } finally {
      session.close();
    }
  }

  async uploadValue(requests: AsyncIterable<UploadValueRequest>, { tenant }: Caller) {
    const chunks = async function* () {
      for await (const { chunk } of requests) yield chunk;
    };
    const { hash, sizeBytes } = await this.scheduler.values.put(tenant, chunks());
    return { blob: { hash, sizeBytes: BigInt(sizeBytes) } };
  }

  async *readValue({ blob }: ReadValueRequest, { tenant }: Caller) {
    yield* pieces(this.scheduler.values.read(tenant, blob?.hash ?? ''));
  }
}

/** Reads what the worker says until it stops; whatever goes wrong ends this stream and no other. */
async function listen(frames: AsyncIterator<ConnectRequest>, session: Session): Promise<void> {
  try {
    for (let next = await frames.next(); !next.done; next = await frames.next()) await session.receive(next.value);
    session.close();
  } catch (error) {
    session.failed(error);
  }
}

function checked(hello: Hello): Hello {
  const { worker, queue, workflows } = hello;
  if (worker.length > 200 || queue.length > 200)
    throw refuse('worker.bad_hello', 'a name has more than 200 characters');
  for (const { name } of workflows)
    if (name.length === 0 || name.length > 200)
      throw refuse('worker.bad_hello', 'a workflow needs a name of 1 to 200 characters');
  return hello;
}
