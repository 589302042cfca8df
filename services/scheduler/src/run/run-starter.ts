import type { CommandClient } from '@writ/ledger';
import { derivedId, refuse, type Actor, type Capability } from '@writ/ledger/domain';
import { positionOf } from '../partition/owners.js';
import type { Grants } from '../outside/grants.js';
import type { Start } from './run.commands.js';
import { startDigest } from './digest.js';
import type { RunLookup } from './run-lookup.js';

/** A start that somebody asks for. */
export interface StartRequest extends Omit<Start, 'type' | 'digest'> {
  tenant: string;
  actor: Actor;
  id: string;
  /** The id was chosen by somebody: the run may be there. */
  chosen: boolean;
  /** What the run may do; absent: what `grant` says, else all that the parent or the agent may do. */
  details?: readonly Capability[];
  cause?: string;
  trace?: string;
}

export interface Started {
  /** The run was there already. */
  attached: boolean;
  position: string;
}

/** Starts runs: first identity grants them what they may do, then they are recorded. A refused grant starts nothing. */
export class RunStarter {
  constructor(
    private readonly runs: CommandClient,
    private readonly grants: Grants,
    private readonly lookup: RunLookup,
  ) {}

  /** @throws DomainError `run.conflict`, `identity.*`, `ledger.*` */
  async start(request: StartRequest): Promise<Started> {
    const { tenant, actor, id, chosen, details, cause, trace, ...start } = request;
    const digest = startDigest(start.workflow, start.input);
    const there = chosen ? await this.there(tenant, id, digest, start.attach ?? false) : undefined;
    if (there?.forgotten) return { attached: true, position: there.position };
    if (!there) {
      const { agent, workflow, parent, onBehalfOf, grant } = start;
      const wanted = details ?? grant;
      await this.grants.issue({
        tenant, actor, run: id, agent, workflow,
        ...(parent !== undefined && { parent }),
        ...(onBehalfOf && { onBehalfOf }),
        ...(wanted && { details: wanted }),
        ...(trace !== undefined && { trace }),
      }); // prettier-ignore
    }
    const command: Start = { type: 'start', ...start, digest };
    const result = await this.runs.send({
      tenant, actor, aggregate: 'run', subject: id, command,
      ...(cause !== undefined && { cause, id: derivedId('cmd', cause, 'start', id) }),
      ...(trace !== undefined && { trace }),
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
