import { inspect, isDeepStrictEqual } from 'node:util';
import { aggregates, newId, type Actor, type Command, type Json, type LedgerEvent } from '@writ/ledger/domain';
import type { QueueCommand } from '../queue/queues.js';
import type { RampCommand } from '../ramp/ramps.js';
import type { RunCommand } from '../run/run.commands.js';
import { RunModel } from '../run/run-model.js';
import type { Attempt } from '../run/run-record.js';

export const testTenant = 'tnt_test';
const actor: Actor = { principal: 'agt_test', kind: 'agent' };

/** A partition without a ledger: decides, applies, and keeps what a ledger would have. One command is one commit. */
export class FakePartition {
  model = emptyModel();
  readonly log: { commit: number; events: LedgerEvent[] }[] = [];
  /** Whose runs are spoken of. */
  tenant = testTenant;
  nowMs = Date.parse('2030-01-01T00:00:00.000Z');
  private tokens = 0;

  constructor() {
    this.model.index.noting = true;
  }

  /** @returns the events, by their short names and data. @throws DomainError what was refused */
  send(
    subject: string,
    body: RunCommand | QueueCommand | RampCommand,
    aggregate = 'run',
  ): [type: string, data: unknown][] {
    const time = new Date(this.nowMs).toISOString();
    const id = newId('cmd');
    const { tenant } = this;
    const command: Command = { id, tenant, aggregate, subject, command: body, actor, time };
    const drafts = this.model.decide(command);
    if (drafts.length === 0) return [];
    const commit = this.log.length + 1;
    const events = drafts.map((draft): LedgerEvent => {
      const data = JSON.parse(JSON.stringify(draft.data)) as Json;
      if (this.model.plain(draft.type) && !isDeepStrictEqual(data, draft.data))
        throw new Error(`${draft.type} is not JSON as it stands: ${inspect(draft.data)}`);
      const source = 'scheduler/00';
      return { specversion: '1.0', id: newId('evt'), type: draft.type, source, subject: draft.subject ?? subject, time, tenant, actor, cause: id, data }; // prettier-ignore
    });
    for (const [index, event] of events.entries()) this.model.evolve(event, { commit, index });
    this.log.push({ commit, events });
    return events.map(({ type, data }) => [type.replace(/^run\.(.*)\.v1$/, '$1'), data]);
  }

  /** Hands the run to a worker, as the owner does. */
  assign(id: string): Attempt {
    const run = this.run(id);
    const attempt: Attempt = {
      token: `0.1.${++this.tokens}`,
      session: 'ses',
      run,
      entries: 0,
      idle: false,
      building: undefined,
      trace: undefined,
    };
    run.live = attempt;
    run.untouched = false;
    return attempt;
  }

  run(id: string) {
    const run = this.model.index.get(this.tenant, id);
    if (!run) throw new Error(`there is no run ${id}`);
    return run;
  }

  eventsOf(id: string): LedgerEvent[] {
    return this.log.flatMap(({ events }) => events.filter(({ subject }) => subject === id));
  }
}

export function emptyModel(): RunModel {
  return new RunModel(aggregates([])());
}

export function startOf(workflow = 'w', more: object = {}): Extract<RunCommand, { type: 'start' }> {
  return { type: 'start', workflow, input: {}, digest: 'd', queue: 'default', agent: 'agt_test', depth: 0, ...more };
}
