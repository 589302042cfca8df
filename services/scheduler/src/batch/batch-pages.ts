import type { CommandClient } from '@writ/ledger';
import { derivedId, DomainError, permits, type Capability } from '@writ/ledger/domain';
import type { RunCommand } from '../run/run.commands.js';
import { readFilter } from '../view/run-filter.js';
import type { RunsTable } from '../view/runs-table.js';
import type { HeldBatch } from './batch-model.js';
import { counted } from './batch.js';
import type { Action, Became, Definition, Failed, Page } from './batch.events.js';

const pageRuns = 200;
/** Commands that are on their way at once. */
const atOnce = 50;

/** What a caller needs on each run, by action. */
export const needs: Readonly<Record<Action['type'], string>> = {
  cancel: 'run.cancel',
  pause: 'run.cancel',
  resume: 'run.cancel',
  delete: 'run.delete',
  send: 'run.send',
};
/** Such a run is as it was wanted, or nobody can make it so: there is nothing to do with it. */
const settled = new Set(['run.ended', 'run.not_found', 'run.not_paused', 'run.cancelling']);

type Outcome = 'done' | 'unchanged' | Failed;

/** The runs of a batch, page by page, and a command for each. A page that is repeated sends commands with the same ids. */
export class BatchPages {
  constructor(
    private readonly runs: CommandClient,
    private readonly table: Pick<RunsTable, 'list'>,
    private readonly graceMs: number,
  ) {}

  /** The runs that come next, as the view finds them. */
  async next({ tenant, batch: { definition, cursor, createdMs } }: HeldBatch): Promise<Page> {
    // What was started later is not meant.
    const after = cursor ?? { createdMs: createdMs + 1, id: '' };
    const rows = await this.table.list(tenant, { filter: readFilter(definition.filter), limit: pageRuns, after });
    const last = rows.length === pageRuns ? rows.at(-1) : undefined;
    return { runs: rows.map(({ id }) => id), ...(last && { cursor: { createdMs: last.created_ms, id: last.id } }) };
  }

  /** @throws DomainError `ledger.*` where a page has to be repeated */
  async carryOut(held: HeldBatch, { runs }: Page): Promise<Became> {
    const outcomes = new Array<Outcome>(runs.length);
    const next = runs.entries();
    const work = async () => {
      for (const [at, run] of next) outcomes[at] = await this.act(held, run);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, runs.length) }, work));
    const failures = outcomes.filter((each) => typeof each === 'object').reduce(counted, [] as readonly Failed[]);
    return {
      done: outcomes.filter((each) => each === 'done').length,
      unchanged: outcomes.filter((each) => each === 'unchanged').length,
      ...(failures.length > 0 && { failed: [...failures] }),
    };
  }

  private async act({ tenant, id, batch }: HeldBatch, run: string): Promise<Outcome> {
    const { action, by, grant } = batch.definition;
    const need = needs[action.type];
    if (!permits(grant as Capability[], need, run))
      return failed('auth.missing_capability', run, `${by.principal} may not ${need} ${run}`);
    const command = commandOf(batch.definition, this.graceMs);
    try {
      const { events } = await this.runs.send({
        tenant, actor: by, aggregate: 'run', subject: run, command, cause: id, id: derivedId('cmd', tenant, id, run),
      }); // prettier-ignore
      return events.length > 0 ? 'done' : 'unchanged';
    } catch (error) {
      if (!(error instanceof DomainError) || error.code.startsWith('ledger.')) throw error;
      if (action.type !== 'send' && settled.has(error.code)) return 'unchanged';
      return failed(error.code, run, error.message);
    }
  }
}

function failed(code: string, run: string, detail: string): Failed {
  return { code, count: 1, run, detail };
}

function commandOf({ action, reason }: Definition, graceMs: number): RunCommand {
  switch (action.type) {
    case 'cancel':
      return { type: 'cancel', reason, force: action.force ?? false, graceMs };
    case 'pause':
      return { type: 'pause', note: reason };
    case 'resume':
      return { type: 'resume' };
    case 'delete':
      return { type: 'delete', reason };
    case 'send': {
      const { message, value, blob } = action;
      return { type: 'message', message, content: blob ? { blob } : value === undefined ? {} : { value } };
    }
  }
}
