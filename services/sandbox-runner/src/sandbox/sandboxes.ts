import type { Caller } from '@writ/api';
import type { Host } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import { viewReaches } from '@writ/platform';
import { assertYours, type LiveSandbox, type LiveSandboxes } from './live.js';
import { SANDBOX_VIEW, type SandboxQueries, type SandboxRow } from './sandbox.view.js';

const VIEW_WAIT_MS = 5_000;

/** Finds sandboxes for a caller: the living ones here, what is known of all others in the view. */
export class Sandboxes {
  constructor(
    private readonly live: LiveSandboxes,
    private readonly queries: SandboxQueries,
    private readonly host: Host,
  ) {}

  /** One that runs here and that the caller may use. Throws `sandbox.not_found|not_yours|stopped|elsewhere`. */
  async use(caller: Caller, id: string): Promise<LiveSandbox> {
    const sandbox = this.live.find(caller.tenant, id);
    if (sandbox !== undefined) {
      assertYours(sandbox, caller, id);
      if (sandbox.isolated === undefined || sandbox.stopping !== undefined)
        throw refuse('sandbox.stopped', `${id} is ${sandbox.stopping === undefined ? 'starting' : 'stopping'}`, { id });
      return sandbox;
    }
    const row = await this.row(caller, id);
    if (row.state === 'stopped')
      throw refuse('sandbox.stopped', `${id} has stopped: ${row.reason}`, { id, reason: row.reason });
    throw refuse('sandbox.elsewhere', `${id} is on ${row.runner}`, { id });
  }

  /** One to be stopped: living, or whatever the view knows of it. Throws `sandbox.not_found|not_yours`. */
  async toStop(caller: Caller, id: string): Promise<LiveSandbox | SandboxRow> {
    const found = this.live.find(caller.tenant, id) ?? (await this.row(caller, id));
    assertYours(found, caller, id);
    return found;
  }

  /** What the view knows. Throws `sandbox.not_found`. */
  async row(caller: Caller, id: string, after = ''): Promise<SandboxRow> {
    await this.upTo(after);
    const row = await this.queries.find(caller.tenant, id);
    if (row === undefined) throw refuse('sandbox.not_found', `there is no sandbox ${id}`, { id });
    return row;
  }

  async list(caller: Caller, filter: Parameters<SandboxQueries['list']>[1], after: string): Promise<SandboxRow[]> {
    await this.upTo(after);
    return this.queries.list(caller.tenant, filter);
  }

  private async upTo(after: string): Promise<void> {
    if (await viewReaches(this.host, SANDBOX_VIEW, after, VIEW_WAIT_MS)) return;
    throw refuse('sandbox.view_behind', `the view has not reached ${after} within ${VIEW_WAIT_MS} ms; try again`);
  }
}
