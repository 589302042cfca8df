import type { Caller } from '@writ/api';
import type { Revoked } from '@writ/enforcement';
import type { CommandClient, CommandResult, Logger } from '@writ/ledger';
import { derivedId, DomainError, newId, refuse, type Actor } from '@writ/ledger/domain';
import type { Artifacts } from '../artifact/artifacts.js';
import type { MountSpec } from '../isolation/isolation.js';
import type { Isolation } from './isolation.js';
import type { LiveSandbox, LiveSandboxes } from './live.js';
import type { SandboxCommand } from './sandbox.js';
import type { SandboxLimits, SandboxRequested, StopReason } from './sandbox.events.js';
import type { SandboxRow } from './sandbox.view.js';

/** The runner as actor: what it does when nobody asked. */
const runnerActor: Actor = { principal: 'sandbox-runner', kind: 'service' };

/** What a sandbox is to be, with everything resolved and allowed. */
export interface Wanted {
  readonly name: string;
  readonly artifact?: { readonly id: string; readonly commit: string };
  readonly limits: SandboxLimits;
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly writable: boolean }[];
  readonly mountSpecs: readonly MountSpec[];
  readonly keepMs: number;
}

export interface LifecycleParts {
  readonly commands: CommandClient;
  readonly isolation: Isolation;
  readonly artifacts: Artifacts;
  readonly live: LiveSandboxes;
  /** Names this host in events. */
  readonly runner: string;
  readonly log: Logger;
}

/** Brings sandboxes into being and ends them, each step in the ledger before or as it happens. */
export class Lifecycle {
  constructor(private readonly parts: LifecycleParts) {}

  /** Requested in the ledger while it is made; running once both are done. Throws `sandbox.*`; nothing is left then. */
  async create(
    caller: Caller,
    wanted: Wanted,
    signal: AbortSignal,
  ): Promise<{ sandbox: LiveSandbox; position: string }> {
    const { isolation, live, runner } = this.parts;
    const { tier } = isolation.driver;
    isolation.assertRoom();
    const created = new Date();
    const requested: SandboxRequested = {
      name: wanted.name,
      ...(wanted.artifact && { artifact: wanted.artifact.id, commit: wanted.artifact.commit }),
      limits: wanted.limits,
      mounts: wanted.mounts,
      runner,
      tier: tier.name,
      agent: caller.principal,
      ...(caller.run !== undefined && { run: caller.run }),
      expires: new Date(created.getTime() + wanted.keepMs).toISOString(),
    };
    const sandbox: LiveSandbox = {
      id: newId('sbx'),
      tenant: caller.tenant,
      agent: caller.principal,
      ...(caller.run !== undefined && { run: caller.run }),
      chain: caller.actor.onBehalfOf ?? [],
      requested,
      created,
    };
    live.add(sandbox);
    try {
      // Side by side: what a crash in between would leave on the host is reaped by its groups, not by the ledger.
      const asked = this.send(sandbox, { type: 'request', ...requested }, caller.actor, caller.trace);
      const [request, launch] = await Promise.allSettled([asked, this.launch(sandbox, wanted, signal)]);
      for (const each of [request, launch]) if (each.status === 'rejected') throw each.reason;
      const layers = [...tier.layers, ...(sandbox.isolated?.layers ?? [])];
      const { position } = await this.send(sandbox, { type: 'start', layers }, caller.actor, caller.trace);
      return { sandbox, position };
    } catch (error) {
      this.parts.log.warn({ err: error, sandbox: sandbox.id }, 'a sandbox did not start');
      const detail = error instanceof DomainError ? `${error.code}: ${error.message}` : (error as Error).message;
      await this.stop(sandbox, signal.aborted ? 'stopped' : 'failed', runnerActor, detail.slice(0, 1000)).catch(
        () => undefined,
      );
      throw error;
    }
  }

  private async launch(sandbox: LiveSandbox, wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { isolation, artifacts } = this.parts;
    if (wanted.artifact !== undefined)
      sandbox.checkout = await artifacts.checkout(sandbox.tenant, wanted.artifact.id, wanted.artifact.commit);
    signal.throwIfAborted();
    const isolated = await isolation.create({
      id: sandbox.id,
      limits: wanted.limits,
      mounts: wanted.mountSpecs,
      ...(sandbox.checkout && { checkout: sandbox.checkout }),
    });
    sandbox.isolated = isolated;
    if (sandbox.stopping !== undefined || signal.aborted)
      throw refuse('sandbox.stopped', `${sandbox.id} was stopped while it was starting`);
    sandbox.expiry = setTimeout(() => this.stopQuietly(sandbox, 'expired'), wanted.keepMs);
    void isolated.crashed.then(() => this.stopQuietly(sandbox, 'crashed'));
  }

  /** Ends what runs, then says so in the ledger. A repeat waits for the same end; gives its position. */
  stop(sandbox: LiveSandbox, reason: StopReason, actor: Actor, detail?: string): Promise<string> {
    sandbox.stopping ??= this.end(sandbox, reason, actor, detail);
    return sandbox.stopping;
  }

  /** Ends everything whose authority a revocation took. */
  revoked(revoked: Revoked): void {
    for (const sandbox of this.parts.live.revokedBy(revoked))
      this.stopQuietly(sandbox, 'revoked', `by the revocation of ${revoked.subject}`);
  }

  /** Says of sandboxes that an earlier life of this runner left in the ledger that they ended with it. */
  async reconcile(rows: readonly SandboxRow[]): Promise<void> {
    for (const { tenant, id } of rows) {
      if (this.parts.live.find(tenant, id) !== undefined) continue;
      const command: SandboxCommand = { type: 'stop', reason: 'runner_restarted' };
      const commandId = derivedId('cmd', id, 'runner_restarted');
      await this.parts.commands.send({
        tenant,
        aggregate: 'sandbox',
        subject: id,
        command,
        actor: runnerActor,
        id: commandId,
      });
    }
  }

  /** Ends all sandboxes, as the runner stops. */
  async close(): Promise<void> {
    const stopping = this.parts.live
      .values()
      .map((sandbox) => this.stop(sandbox, 'stopped', runnerActor, 'the runner stopped'));
    await Promise.allSettled(stopping);
  }

  private stopQuietly(sandbox: LiveSandbox, reason: StopReason, detail?: string): void {
    this.stop(sandbox, reason, runnerActor, detail).catch((error: unknown) =>
      // It is gone from the host; the ledger is told at the next start of the runner.
      this.parts.log.error({ err: error, sandbox: sandbox.id, reason }, 'the end of a sandbox could not be recorded'),
    );
  }

  private async end(sandbox: LiveSandbox, reason: StopReason, actor: Actor, detail?: string): Promise<string> {
    clearTimeout(sandbox.expiry);
    try {
      await sandbox.isolated?.stop();
    } finally {
      sandbox.checkout?.release();
      this.parts.live.remove(sandbox.id);
    }
    const stopped: SandboxCommand = { type: 'stop', reason, ...(detail !== undefined && { detail }) };
    return (await this.send(sandbox, stopped, actor)).position;
  }

  private send(
    { tenant, id }: LiveSandbox,
    command: SandboxCommand,
    actor: Actor,
    trace?: string,
  ): Promise<CommandResult> {
    return this.parts.commands.send({
      tenant,
      aggregate: 'sandbox',
      subject: id,
      command,
      actor,
      ...(trace !== undefined && { trace }),
    });
  }
}
