import { setTimeout as delay } from 'node:timers/promises';
import type { NatsServer, PostgresServer } from '@writ/servers';
import { random } from '../random.js';
import type { ProgramSoak } from './soak.js';
import type { Stage } from './stage.js';

/** Kills and pauses what a stage has, one thing at a time, in an order that the seed makes, until it is stopped. */
export function startStorm(
  stage: Stage,
  { seed, faultEveryMs, say }: Pick<ProgramSoak, 'seed' | 'faultEveryMs' | 'say'>,
): { stop(): Promise<Map<string, number>> } {
  const next = random(seed);
  const between = (...[least, most]: readonly [number, number]): number => least + Math.floor(next() * (most - least));
  const faults: Record<string, () => Promise<void>> = {
    'a worker is killed': () => stage.replaceWorker(),
    'the scheduler is killed': async () => void stage.stack.kill('scheduler'),
    'the scheduler is paused': () => pauseProcess(stage, between(500, 3_000)),
    'nats-server is killed': () => killServer(stage.nats, between(100, 1_500)),
    'nats-server is paused': () => pauseServer(stage.nats, between(200, 2_000)),
    'PostgreSQL is killed': () => killServer(stage.stack.postgres, between(100, 2_000)),
    'PostgreSQL is paused': () => pauseServer(stage.stack.postgres, between(200, 2_000)),
  };
  const names = Object.keys(faults);
  const made = new Map<string, number>(names.map((name) => [name, 0]));
  const over = new AbortController();
  const blowing = (async () => {
    for (;;) {
      await delay(between(...faultEveryMs), undefined, { signal: over.signal }).catch(() => {});
      if (over.signal.aborted) return;
      const name = names[between(0, names.length)] as string;
      say(name);
      made.set(name, (made.get(name) ?? 0) + 1);
      await faults[name]?.();
    }
  })();
  return {
    async stop() {
      over.abort();
      await blowing;
      return made;
    },
  };
}

async function killServer(server: NatsServer | PostgresServer, awayMs: number): Promise<void> {
  await server.kill();
  await delay(awayMs);
  await server.restart();
}

async function pauseServer(server: NatsServer | PostgresServer, ms: number): Promise<void> {
  await server.pause();
  await delay(ms);
  await server.resume();
}

async function pauseProcess({ stack }: Stage, ms: number): Promise<void> {
  const found = stack.process('scheduler');
  if (!found) return; // it is being started again
  process.kill(found.pid, 'SIGSTOP');
  await delay(ms);
  process.kill(found.pid, 'SIGCONT');
}
