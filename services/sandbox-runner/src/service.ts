import { actionAggregate, actionErrors, approvalErrors } from '@writ/enforcement';
import { aggregates } from '@writ/ledger/domain';
import { startService, type RunningService } from '@writ/platform';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { artifactAggregate } from './artifact/artifact.js';
import { artifactErrors } from './artifact/artifact.errors.js';
import { artifactView } from './artifact/artifact.view.js';
import { mountGit } from './artifact/git-http.js';
import { defaultLimits, parseConfig, type SandboxRunnerConfig } from './config.js';
import type { IsolationDriver } from './isolation/isolation.js';
import { instanceName, openNamespaceDriver } from './isolation/namespace/open.js';
import { Sandboxes0001 } from './migrations/0001-sandboxes.js';
import { Runner } from './runner.js';
import { SandboxRunnerModule } from './sandbox-runner.module.js';
import { sandboxAggregate } from './sandbox/sandbox.js';
import { sandboxErrors } from './sandbox/sandbox.errors.js';
import { sandboxView } from './sandbox/sandbox.view.js';

/** Starts the sandbox runner. A host that cannot isolate still serves artifacts, and says why it creates no sandbox. */
export async function start(env: Record<string, string | undefined>): Promise<RunningService> {
  const given = parseConfig(env);
  const config = { ...given, WRIT_DATA: path.resolve(given.WRIT_DATA, 'sandbox-runner') };
  await mkdir(config.WRIT_DATA, { recursive: true, mode: 0o700 }); // repositories of all tenants lie in it
  const driver = await openDriver(config);
  let runner: Runner | undefined;
  const service = await startService({
    name: 'sandbox-runner',
    config,
    entities: [],
    migrations: [Sandboxes0001],
    errors: [sandboxErrors, artifactErrors, actionErrors, approvalErrors],
    enforcement: 'follow',
    host: () => ({
      model: aggregates([sandboxAggregate, artifactAggregate, actionAggregate]),
      projections: [sandboxView, artifactView],
    }),
    module(context) {
      report(context.log, driver);
      runner = new Runner(context, driver, instanceName(config.WRIT_DATA));
      return SandboxRunnerModule.with(runner);
    },
    routes: (_context, fastify) => mountGit(fastify, () => runner),
    after: () => runner?.open(),
    stopping: () => (driver instanceof Error ? undefined : driver.close()),
  }).catch(async (error: unknown) => {
    if (!(driver instanceof Error)) await driver.close();
    throw error;
  });
  return service;
}

async function openDriver(config: SandboxRunnerConfig): Promise<IsolationDriver | Error> {
  try {
    return await openNamespaceDriver({
      folder: path.join(config.WRIT_DATA, 'isolation'),
      ready: config.WRIT_SANDBOX_READY,
      limits: defaultLimits,
      volumeMib: config.WRIT_VOLUME_MIB,
      ...(config.WRIT_SANDBOX_BWRAP !== undefined && { bubblewrap: config.WRIT_SANDBOX_BWRAP }),
    });
  } catch (error) {
    return error as Error;
  }
}

/** What the host gives is said once, loudly where it is less than everything. */
function report(
  log: { info: (fields: object, text: string) => void; warn: (fields: object, text: string) => void },
  driver: IsolationDriver | Error,
): void {
  if (driver instanceof Error)
    return log.warn({ err: driver }, 'this host cannot isolate sandboxes; none will be created');
  const { tier, reaped } = driver;
  if (reaped.folders > 0 || reaped.processes > 0)
    log.warn({ reaped }, 'an earlier runner left sandboxes behind; they are gone now');
  if (tier.name === 'namespace') log.info({ tier }, 'sandboxes are isolated');
  else log.warn({ tier }, 'sandboxes are isolated less than they could be: the runner is not root');
}
