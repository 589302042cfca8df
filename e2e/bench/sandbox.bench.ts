import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { clientOf, GrpcChannel, type GrpcClient } from '@writ/api';
import { ArtifactService, SandboxService } from '@writ/proto/sandbox/v1/sandbox';
import { start as startPolicy } from '@writ/service-policy';
import { start as startRunner } from '@writ/service-sandbox-runner';
import { eventually } from '@writ/testkit';
import { startBenchBackends } from './backends.js';
import { defineBench, quantile, type Measurement } from './bench.js';

const FILES = 1_000;
const SANDBOXES = 40;
const COMMANDS = 100;
const AT_ONCE = 16;

interface Prepared extends AsyncDisposable {
  sandboxes: GrpcClient<typeof SandboxService>;
  /** The artifact that sandboxes start from. */
  from: string;
}

export const bench = defineBench<Prepared>({
  name: 'sandbox',
  about:
    'sandboxes as an agent gets them: over gRPC, every call enforced, every step durable, from a repository of 1,000 files',
  doesNotMeasure: [
    'the first sandbox of a commit, which waits for the checkout of its files',
    'the latency of a network, and of a token that was not seen before',
    'creations faster than slots are prepared, but for the burst',
  ],
  targets: { createToFirstExecP50Ms: { atMost: 50 } },
  prepare,
  async run(_conditions, { sandboxes, from }): Promise<Measurement[]> {
    const created: number[] = [];
    const stopped: number[] = [];
    for (let index = 0; index < SANDBOXES; index++) {
      const { ms, id } = await createAndRun(sandboxes, from);
      created.push(ms);
      stopped.push(await timed(() => sandboxes.stopSandbox({ id })));
      await new Promise((resolve) => setTimeout(resolve, 150)); // a slot is prepared for the next one
    }
    const { id } = await createAndRun(sandboxes, from);
    const commands: number[] = [];
    for (let index = 0; index < COMMANDS; index++) commands.push(await timed(() => command(sandboxes, id, ['true'])));
    await sandboxes.stopSandbox({ id });
    const burst = await Promise.all(Array.from({ length: AT_ONCE }, () => createAndRun(sandboxes, from)));
    await Promise.all(burst.map((each) => sandboxes.stopSandbox({ id: each.id })));
    return [
      figure('createToFirstExecP50Ms', created, 0.5),
      figure('createToFirstExecP95Ms', created, 0.95),
      figure('execP50Ms', commands, 0.5),
      figure('execP95Ms', commands, 0.95),
      figure('stopP50Ms', stopped, 0.5),
      figure(
        `createToFirstExecOf${AT_ONCE}P50Ms`,
        burst.map(({ ms }) => ms),
        0.5,
      ),
    ];
  },
});

const figure = (name: string, all: readonly number[], q: number): Measurement => ({
  name,
  value: quantile(
    [...all].sort((a, b) => a - b),
    q,
  ),
  unit: 'ms',
});

async function timed(call: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await call();
  return performance.now() - begin;
}

async function createAndRun(sandboxes: Prepared['sandboxes'], from: string): Promise<{ id: string; ms: number }> {
  let id = '';
  const ms = await timed(async () => {
    id = (await sandboxes.createSandbox({ from })).sandbox?.id ?? '';
    await command(sandboxes, id, ['true']);
  });
  return { id, ms };
}

async function command(sandboxes: Prepared['sandboxes'], id: string, argv: string[]): Promise<void> {
  for await (const { frame } of sandboxes.exec({ id, argv }))
    if (frame.case === 'end' && frame.value.exitCode !== 0)
      throw new Error(`${argv.join(' ')} ended with ${frame.value.exitCode}`);
}

/** A repository of so many small files in folders of fifty. */
async function repository(folder: string): Promise<string> {
  for (let index = 0; index < FILES; index++) {
    const file = path.join(folder, `folder-${Math.floor(index / 50)}`, `file-${index}.txt`);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `${index}\n`.repeat(100));
  }
  const git = (...args: string[]): unknown =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=b', '-c', 'user.email=b@b', ...args]);
  git('init', '-q');
  git('add', '-A');
  git('commit', '-qm', 'everything');
  return folder;
}

async function prepare({ durability }: { durability: 'fsync' | 'flush' }): Promise<Prepared> {
  const backends = await startBenchBackends(durability);
  const { folder, identity } = backends;
  const environment = { ...backends.env, WRIT_ARTIFACT_SOURCES: folder };
  const policy = await startPolicy(environment);
  const runner = await startRunner(environment);
  const person = await identity.token({ sub: 'psn_1', kind: 'person' });
  await permitEverything(policy.httpUrl, person);
  const channels: GrpcChannel[] = [];
  const channel = (token: string): GrpcChannel => {
    const made = new GrpcChannel(runner.grpcUrl, { metadata: () => ({ authorization: `Bearer ${token}` }) });
    channels.push(made);
    return made;
  };
  const sandboxes = clientOf(
    SandboxService,
    channel(await identity.token({ exp: Math.floor(Date.now() / 1000) + 3600 })),
  );
  const source = await repository(path.join(folder, 'source'));
  const artifacts = clientOf(ArtifactService, channel(person));
  const { artifact } = await eventually(() => artifacts.importArtifact({ source }), {
    what: 'the repository is imported',
  });
  const from = artifact?.id ?? '';
  await eventually(() => createAndRun(sandboxes, from), { what: 'a sandbox runs', timeoutMs: 30_000 });
  const stop = async (): Promise<void> => {
    for (const each of channels) each.close();
    await runner.stop();
    await policy.stop();
    await backends[Symbol.asyncDispose]();
  };
  return { sandboxes, from, [Symbol.asyncDispose]: stop };
}

async function permitEverything(url: string, token: string): Promise<void> {
  const files = [{ name: 'bench.cedar', text: 'permit(principal, action, resource);' }];
  const answer = await fetch(`${url}/v1/policies`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ files }),
  });
  if (!answer.ok) throw new Error(`the policies were refused: ${await answer.text()}`);
}
