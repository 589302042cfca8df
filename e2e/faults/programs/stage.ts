/** Where programs run: a stack whose broker and PostgreSQL are ours, an agent, and two workers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats, type NatsServer } from '@writ/servers';
import { startProcess, type ProjectProcess } from '@writ/testkit';
import { peopleOf, type People } from '../stack/people.js';
import { startFaultStack, type FaultStack } from '../stack/stack.js';
import { narrow } from './narrow.js';

const policies = `permit (principal, action, resource);`;
const WORKERS = 2;

export interface Stage extends AsyncDisposable {
  readonly stack: FaultStack;
  readonly nats: NatsServer;
  readonly people: People;
  /** SIGKILL to the worker that is there longest; another one starts in its place. */
  replaceWorker(): Promise<void>;
  /** What every worker that ever was has written. */
  said(): string[];
}

export async function setStage(): Promise<Stage> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-programs-'));
  const nats = await startNats({ dataDir });
  const stack = await startFaultStack('', nats.url);
  const stop = async (): Promise<void> => {
    await stack.remove();
    await nats.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const people = await peopleOf(stack);
    await people.person.put('/v1/policies', {
      files: [{ name: 'all.cedar', text: policies }],
      mode: 'POLICY_MODE_ENFORCE',
    });
    await people.person.put(`/v1/queues/${narrow.name}`, { limits: { concurrency: narrow.concurrency } });
    const startWorker = (): ProjectProcess =>
      startProcess('e2e/faults/programs/worker.ts', {
        env: { WRIT_URL: stack.url, WRIT_KEY_FILE: people.agentKeyFile },
      });
    const all = Array.from({ length: WORKERS }, startWorker);
    await Promise.all(all.map((worker) => worker.line(/^serving$/)));
    const living = [...all];
    return {
      stack,
      nats,
      people,
      async replaceWorker() {
        const worker = startWorker();
        all.push(worker);
        living.push(worker);
        await living.shift()?.kill();
      },
      said: () => all.flatMap(({ lines }) => lines),
      async [Symbol.asyncDispose]() {
        await Promise.all(living.map((worker) => worker.stop()));
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
