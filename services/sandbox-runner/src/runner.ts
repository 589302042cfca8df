import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { Enforcement } from '@writ/enforcement';
import type { Host } from '@writ/ledger';
import { formatPosition, refuse } from '@writ/ledger/domain';
import { Outbound, type ServiceContext } from '@writ/platform';
import path from 'node:path';
import { ArtifactQueries } from './artifact/artifact.view.js';
import { Artifacts } from './artifact/artifacts.js';
import type { SandboxRunnerConfig } from './config.js';
import { Checkouts } from './git/checkouts.js';
import { Git } from './git/git.js';
import { Repositories } from './git/repositories.js';
import { Sources } from './git/sources.js';
import type { IsolationDriver } from './isolation/isolation.js';
import { Commands } from './sandbox/commands.js';
import { Isolation, unavailable } from './sandbox/isolation.js';
import { Lifecycle } from './sandbox/lifecycle.js';
import { LiveSandboxes } from './sandbox/live.js';
import { Mounts } from './sandbox/mounts.js';
import { SANDBOX_VIEW, SandboxQueries } from './sandbox/sandbox.view.js';
import { Sandboxes } from './sandbox/sandboxes.js';

/** A context once everything of the platform is there. */
export type RunnerContext = ServiceContext<SandboxRunnerConfig>;

const RECONCILE_MS = 30_000;

/** What the runner is made of, put together once. */
export class Runner implements BeforeApplicationShutdown {
  readonly enforcement: Enforcement;
  readonly host: Host;
  readonly git: Git;
  readonly mounts: Mounts;
  readonly artifactQueries: ArtifactQueries;
  readonly artifacts: Artifacts;
  readonly sandboxes: Sandboxes;
  readonly lifecycle: Lifecycle;
  readonly commands: Commands;
  private readonly live = new LiveSandboxes();
  private readonly queries: SandboxQueries;

  /** `driver`: of this host, or the error that says why it has none. */
  constructor(
    private readonly context: RunnerContext,
    driver: IsolationDriver | Error,
    private readonly name: string,
  ) {
    const { config, dataSource, ledger, enforcement, host, log } = context;
    if (enforcement === undefined || host === undefined)
      throw new Error('the runner needs its partition and enforcement');
    this.enforcement = enforcement;
    this.host = host;
    const commands = ledger.commands('sandbox-runner');
    this.git = new Git(path.join(config.WRIT_DATA, 'git'), config.WRIT_ARTIFACT_MEMORY_MIB);
    this.mounts = new Mounts(config.WRIT_SANDBOX_MOUNTS);
    this.queries = new SandboxQueries(dataSource);
    this.artifactQueries = new ArtifactQueries(dataSource);
    this.artifacts = new Artifacts({ commands, queries: this.artifactQueries, ...this.stores(config) });
    const isolation = new Isolation(admitted(driver, config), config.WRIT_SANDBOX_MAX, () => this.live.size);
    const { artifacts, live } = this;
    this.lifecycle = new Lifecycle({ commands, isolation, artifacts, live, runner: name, log });
    this.sandboxes = new Sandboxes(live, this.queries, host);
    this.commands = new Commands(enforcement, context.blobs);
    context.metrics.gauge('writ_sandboxes', 'Sandboxes that live on this host.', () => live.size);
    context.metrics.gauge('writ_sandboxes_most', 'Sandboxes that this host takes.', () => config.WRIT_SANDBOX_MAX);
  }

  /** Tells the ledger which sandboxes did not survive, and begins to listen for revocations. */
  async open(): Promise<void> {
    const { ledger } = this.context;
    this.enforcement.onRevoked((revoked) => this.lifecycle.revoked(revoked));
    const commit = await ledger.last('sandbox-runner', 0);
    if (commit > 0)
      await this.host.waitFor(
        SANDBOX_VIEW,
        formatPosition({ service: 'sandbox-runner', partition: 0, commit, index: 0 }),
        RECONCILE_MS,
      );
    await this.lifecycle.reconcile(await this.queries.alive(this.name));
  }

  /** While commands can still be sent: every sandbox ends, and the ledger says so. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.lifecycle.close();
  }

  private stores(config: SandboxRunnerConfig): { repositories: Repositories; checkouts: Checkouts; sources: Sources } {
    const caps = {
      repositoryMib: config.WRIT_ARTIFACT_MIB,
      files: config.WRIT_ARTIFACT_FILES,
      treeMib: config.WRIT_ARTIFACT_TREE_MIB,
    };
    const outbound = new Outbound(config.WRIT_OUTBOUND_ALLOW);
    const sources = new Sources(config.WRIT_ARTIFACT_SOURCES, outbound, config.WRIT_DATA);
    const locate = (source: string) => sources.locate(source);
    return {
      repositories: new Repositories(this.git, path.join(config.WRIT_DATA, 'artifacts'), caps, locate),
      checkouts: new Checkouts(this.git, path.join(config.WRIT_DATA, 'checkouts'), config.WRIT_CHECKOUTS, caps),
      sources,
    };
  }
}

/** A host that isolates less than it must does not isolate at all. */
function admitted(
  driver: IsolationDriver | Error,
  { WRIT_SANDBOX_MIN_TIER: least }: SandboxRunnerConfig,
): ConstructorParameters<typeof Isolation>[0] {
  if (driver instanceof Error) return unavailable(driver);
  if (least === 'namespace' && driver.tier.name !== 'namespace')
    return refuse('sandbox.tier_too_low', `this host gives ${driver.tier.name}; WRIT_SANDBOX_MIN_TIER is ${least}`);
  return driver;
}
