/** What the scheduler, audit and views of a stack say while it works. */
import { setTimeout as delay } from 'node:timers/promises';
import { partitionsOf } from '@writ/ledger/domain';
import { eventually } from '@writ/testkit';
import type { Measurement } from '../bench.js';
import { scrape, sumOf, valuesOf, type Page } from './scrape.js';
import type { World } from './world.js';

const SAMPLE_MS = 2_000;
const GONE_MS = 300_000;
const TOLD_MS = 10_000;
const PARTITIONS = partitionsOf.scheduler;

/** Of every replica of a service. @throws Error where it is not up */
export async function pagesOf({ roles }: World, role: string): Promise<Page[]> {
  const pages = await Promise.all((roles.get(role) ?? []).map(scrape));
  if (pages.length === 0) throw new Error(`${role} is not up`);
  return pages;
}

/** Resolves when the replicas of the scheduler own all partitions, each about as many. */
export async function allOwned(world: World, replicas: number): Promise<void> {
  const shared = async (): Promise<boolean> => {
    const owned = (await pagesOf(world, 'scheduler')).map((page) =>
      sumOf(page, 'writ_ledger_partitions', 'state="owned"'),
    );
    const sum = owned.reduce((total, each) => total + each, 0);
    if (owned.length !== replicas || sum !== PARTITIONS || Math.min(...owned) < PARTITIONS / replicas / 2)
      throw new Error(`they own ${owned.join(', ')}`);
    return true;
  };
  await eventually(shared, { timeoutMs: GONE_MS, everyMs: 50, what: 'every partition has its owner' });
}

type State = 'queued' | 'running' | 'waiting';

/** Resolves when so many runs wait, and none beside `running` is on its way there. */
export async function allWaiting(world: World, count: number, running = 0): Promise<void> {
  await runsAre(world, (runs) => runs.waiting === count && runs.queued + runs.running === running);
}

/** Resolves when no run of the stack is left. */
export async function allEnded(world: World): Promise<void> {
  await runsAre(world, (runs) => runs.queued + runs.running + runs.waiting === 0);
}

/** Says every so often where the runs are, until this is done: what takes minutes must not look as if it hung. */
export async function told<T>(world: World, say: (line: string) => void, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const telling = (async () => {
    while (await delay(TOLD_MS, true, { signal: done.signal }).catch(() => false)) {
      const pages = await pagesOf(world, 'scheduler').catch(() => []); // it is being started again
      const ended = sumOver(pages, 'writ_ledger_events_total', 'type="run.succeeded.v1"');
      say(
        `${JSON.stringify({ ...countsOf(pages), ended })
          .replace(/["{}]/g, '')
          .replaceAll(',', ', ')}`,
      );
    }
  })();
  try {
    return await work;
  } finally {
    done.abort();
    await telling;
  }
}

async function runsAre(world: World, right: (runs: Readonly<Record<State, number>>) => boolean): Promise<void> {
  const look = async (): Promise<boolean> => {
    const runs = countsOf(await pagesOf(world, 'scheduler'));
    if (!right(runs)) throw new Error(JSON.stringify(runs));
    return true;
  };
  await eventually(look, { timeoutMs: GONE_MS, everyMs: 100, what: 'the runs are where they should be' });
}

function countsOf(pages: readonly Page[]): Record<State, number> {
  const count = (state: State) => sumOver(pages, 'writ_runs', `state="${state}"`);
  return { queued: count('queued'), running: count('running'), waiting: count('waiting') };
}

function sumOver(pages: readonly Page[], metric: string, label: string): number {
  return pages.reduce((sum, page) => sum + sumOf(page, metric, label), 0);
}

/** How far those who follow the ledger are behind it, from now until they are not any more. */
export class LagWatch {
  private auditSeconds = 0;
  private viewCommits = 0;
  private going = true;
  private readonly watching: Promise<void>;

  constructor(private readonly world: World) {
    this.watching = this.watch();
  }

  /** Resolves when all have caught up; counted from this call. */
  async gone(part: string): Promise<Measurement[]> {
    const began = performance.now();
    this.going = false;
    await this.watching;
    const caughtUp = async (): Promise<boolean> => {
      const { audit, views } = await this.look();
      if (audit >= 2 || views > 0) throw new Error(`audit ${audit} s, views ${views} commits behind`);
      return true;
    };
    await eventually(caughtUp, { timeoutMs: GONE_MS, everyMs: 250, what: 'audit and views have caught up' });
    return [
      { name: `${part}AuditLagSeconds`, value: this.auditSeconds, unit: 's at most' },
      { name: `${part}ViewLagCommits`, value: this.viewCommits, unit: 'commits at most' },
      { name: `${part}LagGoneSeconds`, value: (performance.now() - began) / 1000, unit: 's until it was gone' },
    ];
  }

  private async watch(): Promise<void> {
    for (; this.going; await delay(SAMPLE_MS)) await this.look().catch(() => {}); // one of them is being started again
  }

  private async look(): Promise<{ audit: number; views: number }> {
    const [schedulers, audits] = await Promise.all([pagesOf(this.world, 'scheduler'), pagesOf(this.world, 'audit')]);
    const audit = Math.max(0, ...audits.flatMap((page) => valuesOf(page, 'writ_audit_lag_seconds')));
    const views = Math.max(0, ...schedulers.flatMap((page) => valuesOf(page, 'writ_ledger_consumer_lag_commits')));
    this.auditSeconds = Math.max(this.auditSeconds, audit);
    this.viewCommits = Math.max(this.viewCommits, views);
    return { audit, views };
  }
}
