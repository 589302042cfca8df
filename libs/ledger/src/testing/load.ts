import { chainStart } from '../log/chain.js';
import { commandOf } from '../domain/events.js';
import { newId } from '../domain/ids.js';
import { parsePosition } from '../domain/positions.js';
import type { ServiceName } from '../domain/partitioning.js';
import type { CommandClient, OutgoingCommand } from '../commands/client.js';
import type { Ledger } from '../ledger.js';

/** For longer than any fault: a command that is given up is one that nobody knows about. */
const patienceMs = 60_000;
const everyMs = 10;
/** What waits beyond this is not sent: the load must not become the fault. */
const mostWaiting = 20_000;

export interface LoadOptions {
  /** Commands a second, sent whether or not those before them were answered. */
  perSecond: number;
  /** The next command; its id is given. */
  make(n: number): OutgoingCommand;
}

/** A client that sends commands at a steady rate and keeps what it was told. */
export class SteadyLoad implements Disposable {
  /** Ids that were acknowledged, and the position that was told. */
  readonly acknowledged = new Map<string, string>();
  /** What was answered with anything else. */
  readonly refused: unknown[] = [];
  private readonly commands: CommandClient;
  private readonly options: LoadOptions;
  private readonly waiting = new Set<Promise<void>>();
  private readonly lastMs = new Map<number, number>();
  private longest = 0;
  private sent = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(commands: CommandClient, options: LoadOptions) {
    this.commands = commands;
    this.options = options;
    let due = performance.now();
    this.timer = setInterval(() => {
      for (; due < performance.now(); due += 1000 / options.perSecond) if (this.waiting.size < mostWaiting) this.send();
    }, everyMs);
  }

  /** The longest time without an answer from one partition since this was asked last, ms; one that still lasts included. */
  longestGapMs(): number {
    const now = performance.now();
    const { longest } = this;
    const open = [...this.lastMs.values()].map((last) => now - last);
    this.longest = 0;
    for (const partition of this.lastMs.keys()) this.lastMs.set(partition, now);
    return Math.max(longest, ...open);
  }

  /** Sends no more, and waits for what was sent. */
  async stop(): Promise<void> {
    this[Symbol.dispose]();
    while (this.waiting.size > 0) await Promise.all(this.waiting);
  }

  /** Sends no more. */
  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }

  private send(): void {
    const id = newId('cmd');
    const answered = this.commands.send({ ...this.options.make(this.sent++), id }, { timeoutMs: patienceMs }).then(
      ({ position }) => this.took(id, position),
      (error: unknown) => void this.refused.push(error),
    );
    this.waiting.add(answered);
    void answered.then(() => this.waiting.delete(answered));
  }

  private took(id: string, position: string): void {
    this.acknowledged.set(id, position);
    const { partition } = parsePosition(position);
    const now = performance.now();
    this.longest = Math.max(this.longest, now - (this.lastMs.get(partition) ?? now));
    this.lastMs.set(partition, now);
  }
}

export interface LogVerdict {
  commits: number;
  events: number;
  /** Acknowledged and not in the log, or elsewhere than was told. */
  lost: string[];
  /** Ids of commands that are in more than one place of the log. */
  twice: string[];
}

/**
 * What the log says of what a client was told, read from its start.
 * @throws ChainBroken where a commit does not continue the one before it
 */
export async function judgeLog(
  ledger: Ledger,
  service: ServiceName,
  partitions: number,
  acknowledged: ReadonlyMap<string, string>,
): Promise<LogVerdict> {
  const found = new Map<string, string>();
  const verdict: LogVerdict = { commits: 0, events: 0, lost: [], twice: [] };
  for (let partition = 0; partition < partitions; partition++) {
    let link = chainStart;
    for await (const commit of ledger.read(service, partition)) {
      if (commit.prev !== link)
        throw new Error(`commit ${commit.commit} of ${partition} does not follow the one before`);
      link = commit.hash;
      verdict.commits++;
      for (const event of commit.events) {
        verdict.events++;
        const id = commandOf(event);
        if (found.has(id)) verdict.twice.push(id);
        found.set(id, `${partition}/${commit.commit}`);
      }
    }
  }
  for (const [id, position] of acknowledged) {
    const { partition, commit } = parsePosition(position);
    if (found.get(id) !== `${partition}/${commit}`) verdict.lost.push(id);
  }
  return verdict;
}
