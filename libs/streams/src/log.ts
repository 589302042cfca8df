import { jetstreamManager, JetStreamApiError, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream';
import { headers, nuid, RequestError, type NatsConnection } from '@nats-io/nats-core';
import { decodeRecord, type StreamRecord } from './record.js';
import { spaceConfig, type StreamSpace } from './space.js';

const makeTimeoutMs = 20_000;
const ackTimeoutMs = 2_000;
const tries = 3;
const batchBytes = 1024 * 1024;
const batchRecords = 256;
const wrongLastSequence = 10071;
const noMessage = 10037;
const streamExists = 10058;
/** Of the server, of the account, of the stream. */
const noRoom: ReadonlySet<number> = new Set([10023, 10047, 10077]);
const maker = 'Writ-Write';

/** `conflict`: somebody else has written since. */
export type Published = { readonly seq: number } | 'conflict' | 'full';

/** What the broker is like. */
export interface Broker {
  /** Copies of each stream. */
  readonly replicas: number;
  /** It is 2.11 or newer: a direct get may fetch many messages. */
  readonly batches: boolean;
}

/** The broker's side of a space: one JetStream stream, one subject for each stream in it. */
export class SpaceLog {
  private opened: Promise<JetStreamManager> | undefined;

  constructor(
    private readonly nc: NatsConnection,
    readonly space: StreamSpace,
    private readonly broker: Broker,
  ) {}

  /** The newest record of a subject, as its leader knows it. */
  async newest(subject: string): Promise<StreamRecord | undefined> {
    const { name } = this.space;
    const query = { last_by_subj: subject };
    const { direct, streams } = await this.open();
    const found = await (this.broker.replicas > 1 ? streams : direct).getMessage(name, query).catch(none);
    return found ? decodeRecord(found.seq, found.data) : undefined;
  }

  /**
   * Appends behind the record that its writer knows. When no answer comes the same is sent again behind the same fence: it is stored once at most.
   * @param after sequence of the newest record of the subject; 0 where there is none
   * @throws Error when the broker does not answer
   */
  async publish(subject: string, body: Uint8Array, after: number): Promise<Published> {
    await this.open();
    const head = headers();
    const id = nuid.next();
    head.set('Nats-Expected-Last-Subject-Sequence', String(after));
    head.set(maker, id);
    for (let attempt = 1; ; attempt++) {
      let answer: { seq?: number; error?: { err_code?: number; description: string } };
      try {
        answer = (await this.nc.request(subject, body, { headers: head, timeout: ackTimeoutMs })).json();
      } catch (error) {
        if (attempt === tries || this.nc.isClosed()) throw error;
        if (error instanceof RequestError) await new Promise((resolve) => setTimeout(resolve, 100 * attempt));
        continue;
      }
      if (answer.seq !== undefined && !answer.error) return { seq: answer.seq };
      const { err_code: code = 0, description = '' } = answer.error ?? {};
      if (noRoom.has(code)) return 'full';
      if (code !== wrongLastSequence) throw new Error(`${this.space.name} does not store it: ${description} (${code})`);
      const seq = attempt > 1 ? await this.stored(subject, id) : undefined;
      return seq === undefined ? 'conflict' : { seq };
    }
  }

  /** Records of a subject behind a sequence, up to one, the oldest first. */
  async *read(subject: string, after: number, upto: number): AsyncGenerator<StreamRecord, void, undefined> {
    for (let next = after + 1; next <= upto;) {
      const before = next;
      for await (const found of this.batch(subject, next)) {
        if (found.seq > upto) return;
        next = found.seq + 1;
        yield decodeRecord(found.seq, found.data);
      }
      if (next === before) return; // the rest has been dropped
    }
  }

  /** Removes all records of a subject. */
  async purge(subject: string): Promise<void> {
    const { streams } = await this.open();
    await streams.purge(this.space.name, { filter: subject });
  }

  /** The space is made with its first use, where it is missing. */
  private open(): Promise<JetStreamManager> {
    this.opened ??= ensure(this.nc, spaceConfig(this.space, this.broker.replicas)).catch((error: unknown) => {
      this.opened = undefined;
      throw error;
    });
    return this.opened;
  }

  private async *batch(subject: string, seq: number): AsyncGenerator<Pick<StoredMsg, 'seq' | 'data'>, void, undefined> {
    const { name } = this.space;
    const query = { next_by_subj: subject, seq };
    const { direct } = await this.open();
    if (!this.broker.batches) {
      const found = await direct.getMessage(name, query).catch(none);
      if (found) yield found;
      return;
    }
    yield* await direct.getBatch(name, { ...query, batch: batchRecords, max_bytes: batchBytes });
  }

  private async stored(subject: string, id: string): Promise<number | undefined> {
    const { name } = this.space;
    const { streams } = await this.open();
    const found = await streams.getMessage(name, { last_by_subj: subject }).catch(none);
    return found?.header.get(maker) === id ? found.seq : undefined;
  }
}

async function ensure(nc: NatsConnection, config: ReturnType<typeof spaceConfig>): Promise<JetStreamManager> {
  const patient = await jetstreamManager(nc, { timeout: makeTimeoutMs, checkAPI: false });
  try {
    await patient.streams.add(config);
  } catch (error) {
    if (!isApiError(error, streamExists)) throw error; // with other limits: those of the operator count
  }
  return jetstreamManager(nc, { checkAPI: false });
}

/** Undefined for what is not there. */
function none(error: unknown): undefined {
  if (isApiError(error, noMessage) || (error instanceof Error && /message not found|no results/i.test(error.message)))
    return undefined;
  throw error;
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
