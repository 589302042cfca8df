import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect, headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { startNats, type NatsServer } from '@writ/servers';

/** A stored message, as whoever administers the broker can read and write it. */
export interface Stored {
  data: Uint8Array;
  headers: MsgHdrs;
}

/** A broker on a folder of its own, and what somebody with the rights of an administrator can do to it. */
export class AttackedBroker implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly server: NatsServer,
  ) {}

  /** @param from folder of a stopped broker, copied */
  static async start(from?: string): Promise<AttackedBroker> {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-broker-'));
    if (from !== undefined) await cp(from, folder, { recursive: true });
    return new AttackedBroker(folder, await startNats({ dataDir: folder }));
  }

  /** Changes one byte inside `text` in the file that holds it, while the server is down. */
  async flipByte(stream: string, text: string): Promise<void> {
    await this.editBlock(stream, (block) => {
      const at = block.indexOf(text);
      if (at < 0) throw new Error(`${text} is in no block of ${stream}`);
      block[at] = (block[at] as number) ^ 1;
      return block;
    });
  }

  /** Ends the file just before the message that holds `text`, while the server is down. */
  async truncate(stream: string, text: string): Promise<void> {
    await this.editBlock(stream, (block) => {
      let start = 0;
      for (let next = 0; next < block.length && block.indexOf(text, start) >= next;) {
        start = next;
        next = start + (block.readUInt32LE(start) & 0x7fff_ffff); // the highest bit says that it has headers
      }
      return block.subarray(0, start);
    });
  }

  /** Makes the stream anew out of what `change` leaves of it, with a chain of hashes that holds. */
  async rewrite(stream: string, change: (messages: Stored[]) => Stored[]): Promise<void> {
    const nc = await connect({ servers: this.server.url });
    const manager = await jetstreamManager(nc);
    const { config, state } = await manager.streams.info(stream);
    const messages: Stored[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(stream, { seq });
      if (message) messages.push({ data: message.data, headers: message.header });
    }
    await manager.streams.delete(stream);
    await manager.streams.add(config as StreamConfig & { name: string });
    await publish(nc, (config.subjects as string[])[0] as string, change(messages));
    await nc.close();
  }

  async update(stream: string, config: Partial<StreamConfig>): Promise<void> {
    const nc = await connect({ servers: this.server.url });
    await (await jetstreamManager(nc)).streams.update(stream, config);
    await nc.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async editBlock(stream: string, edit: (block: Buffer) => Uint8Array): Promise<void> {
    await this.server.kill();
    const files = await readdir(this.folder, { recursive: true });
    const file = files.find((each) => each.includes(`${stream}/msgs/`) && each.endsWith('1.blk'));
    if (file === undefined) throw new Error(`${stream} has no block`);
    const block = path.join(this.folder, file);
    await writeFile(block, edit(await readFile(block)));
    await rm(path.join(path.dirname(block), 'index.db'), { force: true }); // it would tell
    await this.server.restart();
  }
}

async function publish(nc: NatsConnection, subject: string, messages: readonly Stored[]): Promise<void> {
  let prev = '0'.repeat(64);
  for (const { data, headers: before } of messages) {
    const now = headers();
    now.set('Writ-Epoch', before.get('Writ-Epoch'));
    now.set('Writ-Prev', prev);
    await nc.request(subject, data, { headers: now, timeout: 5_000 });
    prev = createHash('sha256').update(data).digest('hex');
  }
}
