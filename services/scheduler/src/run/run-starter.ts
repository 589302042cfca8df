import type { CommandClient } from '@writ/ledger';
import { derivedId, refuse, type Actor } from '@writ/ledger/domain';
import type { Turns } from '../api/turns.js';
import { positionOf } from '../partition/owners.js';
import type { Grants } from '../outside/grants.js';
import type { Message, NewRun, Start } from './run.commands.js';
import { Budgets } from './budgets.js';
import { startDigest } from './digest.js';
import type { RunLookup } from './run-lookup.js';
import { inBatches, startsAtOnce, thoughtUp, type Batched } from './start-batches.js';
import { authorityOf, recorded, type StartRequest } from './start-request.js';

export interface Started {
  /** The run was there already. */
  attached: boolean;
  position: string;
}

/** Starts that go through all their checks one by one; so many at once. */
const oneByOneAtOnce = 32;

/**
 * Starts runs: first identity grants them what they may do, unless that can wait until somebody needs it, then they are recorded. A refused
 * grant starts nothing.
 */
export class RunStarter {
  private readonly budgets: Budgets;

  constructor(
    private readonly runs: CommandClient,
    private readonly grants: Grants,
    private readonly lookup: RunLookup,
    private readonly turns: Turns,
  ) {
    this.budgets = new Budgets(runs);
  }

  /** @throws DomainError `run.conflict`, `identity.*`, `ledger.*` */
  async start(request: StartRequest): Promise<Started> {
    if (!request.ungranted) return this.startAlone(request);
    const [outcome] = await this.startMany([request]);
    if (outcome?.status === 'fulfilled') return outcome.value;
    throw outcome?.reason;
  }

  /** Starts what one caller asks for at once, each by itself: the outcomes, in the order of the requests. */
  async startMany(requests: readonly StartRequest[]): Promise<PromiseSettledResult<Started>[]> {
    const outcomes = new Array<PromiseSettledResult<Started>>(requests.length);
    const left: number[] = [];
    const ended = await this.ended(requests);
    const turn = () => this.turns.next(requests[0]?.tenant ?? '');
    let sent = 0;
    let ready: Promise<void> | undefined;
    await Promise.all(
      (await inBatches(requests, ended, left, turn)).map(async (batch) => {
        // Where the owner is here it decides at once.
        const before = sent;
        sent += batch.runs.length;
        if (before > 0 && Math.floor(before / startsAtOnce) < Math.floor(sent / startsAtOnce)) ready = turn();
        await ready;
        const [first] = batch.at as [number];
        const { tenant, actor, trace } = requests[first] as StartRequest;
        const settle = (outcome: (at: number) => PromiseSettledResult<Started> | undefined) =>
          batch.at.forEach((at) => {
            const settled = outcome(at);
            if (settled) outcomes[at] = settled;
            else left.push(at);
          });
        try {
          const { events, position } = await this.send(tenant, actor, trace, batch);
          const started = new Set(events.map(({ subject }) => subject));
          const value = { attached: false, position };
          // The first of an id was started. Of what was there, or may have been long ago, the owner says nothing: it is looked at closely.
          settle((at) =>
            started.delete((requests[at] as StartRequest).id) ? { status: 'fulfilled', value } : undefined,
          );
        } catch (reason) {
          settle(() => ({ status: 'rejected', reason }));
        }
      }),
    );
    const next = left.values();
    const work = async () => {
      for (const at of next) [outcomes[at]] = await Promise.allSettled([this.startAlone(requests[at] as StartRequest)]);
    };
    await Promise.all(Array.from({ length: Math.min(left.length, oneByOneAtOnce) }, work));
    return outcomes;
  }

  private ended(requests: readonly StartRequest[]): Promise<Set<string>> {
    const [first] = requests;
    const asked = requests.filter((each) => each.ungranted && thoughtUp(each)).map(({ id }) => id);
    if (!first) return Promise.resolve(new Set());
    // Without the view they are looked for one by one, and fail so; that must not keep others from being started.
    return this.lookup.ended(first.tenant, asked).catch(() => new Set(asked));
  }

  private send(tenant: string, actor: Actor, trace: string | undefined, { partition, runs }: Batched) {
    const [{ id: subject }] = runs as [NewRun];
    const command = { type: 'starts' as const, runs };
    return this.runs.send({
      tenant, actor, aggregate: 'run', subject, partition, command, ...(trace !== undefined && { trace }),
    }); // prettier-ignore
  }

  private async startAlone(request: StartRequest): Promise<Started> {
    const { tenant, actor, id, chosen, trace, send, budget, limits, ...start } = recorded(request);
    const digest = startDigest(start.workflow, start.input, start.kept);
    const there = chosen ? await this.there(tenant, id, digest, start.attach ?? false) : undefined;
    if (there?.forgotten && send)
      throw refuse('run.ended', `run ${id} ended long ago; nobody will take '${send.message}'`);
    if (there?.forgotten) return { attached: true, position: there.position };
    const record = () => this.record(request, digest, there !== undefined);
    if (!budget || there) return record();
    return this.budgets.startingChild({ tenant, actor, account: budget.account, child: id, limits, trace }, record);
  }

  private async record(request: StartRequest, digest: string, there: boolean): Promise<Started> {
    const { tenant, actor, id, chosen: _, cause, trace, send, ...start } = recorded(request);
    const traced = trace === undefined ? {} : { trace };
    if (!there && !start.ungranted) {
      const { details: grant = start.grant } = request;
      const account = start.limits ? id : start.budget?.account;
      await this.grants.issue({ tenant, actor, run: id, ...authorityOf({ ...start, grant, account }), ...traced });
    }
    const command: Start = { type: 'start', ...start, digest, ...(send && { message: messageOf(send) }) };
    const once = send?.key ? [id, 'start', actor.principal, send.key] : cause !== undefined && [cause, 'start', id];
    const result = await this.runs.send({
      tenant, actor, aggregate: 'run', subject: id, command,
      ...(cause !== undefined && { cause }),
      ...(once && { id: derivedId('cmd', ...once) }),
      ...traced,
    }); // prettier-ignore
    return { attached: !result.events.some(({ type }) => type === 'run.started.v1'), position: result.position };
  }

  /** A run of this id that is there already, so that its grant is not asked for again. */
  private async there(tenant: string, id: string, digest: string, attach: boolean) {
    if (await this.lookup.facts(tenant, id)) return { forgotten: false, position: '' };
    const row = await this.lookup.forgotten(tenant, id);
    if (!row) return undefined;
    if (row.digest !== digest && !attach)
      throw refuse('run.conflict', `run ${id} was started with another workflow or input`, { run: id });
    return { forgotten: true, position: positionOf(row.partition, row.commit) };
  }
}

function messageOf({ message, content }: Message): Message {
  return { message, content };
}
