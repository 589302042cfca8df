import { afterEach, describe, expect, test } from '@jest/globals';
import type { Heartbeat } from '@writ/enforcement';
import type { Commit, Ledger, PartitionHandle } from '@writ/ledger';
import { eventually, verifies } from '@writ/testkit';
import { Floor } from './floor.js';
import { HeartbeatSender } from './heartbeat.js';

const minutes = 60_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A ledger of which commit `n` was stored at minute `n`. */
class FakeLedger {
  head = 3;
  down = false;
  asked = 0;
  reads = 0;
  readonly sent: Heartbeat[] = [];
  readonly nc = { publish: (_subject: string, body: string) => this.sent.push(JSON.parse(body) as Heartbeat) };

  /** What an answer waits for. */
  gate: Promise<void> = Promise.resolve();

  async last(): Promise<number> {
    this.asked++;
    await this.gate;
    if (this.down) throw new Error('no answer');
    return this.head;
  }

  async *read(_service: string, _partition: number, { from }: { from: number }): AsyncIterable<Commit> {
    this.reads++;
    if (from < this.head) yield { time: new Date((from + 1) * minutes) } as Commit;
  }
}

const handle = (commit = 3, revocations = 2): PartitionHandle =>
  ({
    partition: 0,
    epoch: 7,
    commit: () => commit,
    model: { revocations: () => revocations },
  }) as unknown as PartitionHandle;

describe('the heartbeat', () => {
  let sender: HeartbeatSender;
  let tick: (() => void) | undefined;
  const start = async (ledger: FakeLedger, owned = handle()) => {
    sender = new HeartbeatSender(ledger as unknown as Ledger, silent, (_ms, each) => {
      tick = each;
      return () => (tick = undefined);
    });
    await sender.onOwned(0, owned);
  };
  afterEach(() => sender.stop());

  const beats = async (ledger: FakeLedger, count: number) => {
    for (let i = 0; i < count; i++) {
      const asked = ledger.asked;
      await eventually(() => {
        tick?.();
        return ledger.asked > asked;
      });
      await new Promise(setImmediate);
    }
  };

  test('names the last commit, the claim and the number of revocations', async () => {
    const ledger = new FakeLedger();
    await start(ledger);
    await eventually(() => ledger.sent.length === 1);
    expect(ledger.sent[0]).toMatchObject({ commit: 3, claim: 7, epoch: 2 });
    sender.onCommit({ events: [{ type: 'revocation.issued.v1', data: { epoch: 3 } }] } as unknown as Commit);
    await beats(ledger, 1);
    expect(ledger.sent[1]).toMatchObject({ epoch: 3 });
  });

  test('falls silent while the broker does not answer, and when the partition is lost', async () => {
    verifies('identity.fail_closed');
    const ledger = new FakeLedger();
    ledger.down = true;
    await start(ledger);
    await beats(ledger, 2);
    expect(ledger.sent).toEqual([]);
    ledger.down = false;
    await beats(ledger, 1);
    expect(ledger.sent).toHaveLength(1);
    sender.onLost();
    expect(tick).toBeUndefined();
  });

  test('is not sent for a partition that was lost while the broker was asked', async () => {
    const ledger = new FakeLedger();
    let answer = (): void => undefined;
    ledger.gate = new Promise((resolve) => (answer = resolve));
    await start(ledger);
    sender.onLost();
    answer();
    await ledger.gate;
    await new Promise(setImmediate);
    expect([ledger.asked, ledger.sent.length]).toEqual([1, 0]);
  });

  test('is not sent when the broker has less than what this owner was told it has', async () => {
    const ledger = new FakeLedger();
    await start(ledger, handle(4));
    await beats(ledger, 2);
    expect(ledger.sent).toEqual([]);
  });
});

describe('the floor', () => {
  test('is the first commit that can still matter, found in few reads', async () => {
    const ledger = new FakeLedger();
    ledger.head = 1_000_000;
    const now = 1_000_000 * minutes;
    const floor = await Floor.find(ledger as unknown as Ledger, ledger.head, now);
    expect(floor.commit).toBe(999_985); // stored 15 minutes ago
    expect(ledger.reads).toBeLessThan(25);
  });

  test('is the next commit where nothing was stored lately, and the first one in a young ledger', async () => {
    const ledger = new FakeLedger();
    expect((await Floor.find(ledger as unknown as Ledger, 3, 100 * minutes)).commit).toBe(4);
    expect((await Floor.find(ledger as unknown as Ledger, 3, 3 * minutes)).commit).toBe(1);
    expect((await Floor.find(ledger as unknown as Ledger, 0)).commit).toBe(1);
  });

  test('rises with time, and never past what may matter', async () => {
    const ledger = new FakeLedger();
    const floor = await Floor.find(ledger as unknown as Ledger, 3, 3 * minutes);
    for (let minute = 3; minute <= 40; minute++) floor.passed(minute * 10, minute * minutes);
    expect(floor.commit).toBe(241); // at minute 24 commit 240 was the last; everything after it is 15 minutes old or younger at minute 40
  });
});
