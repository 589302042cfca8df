import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import type { Host, Ledger } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import { HOST, LEDGER } from '@writ/platform';
import {
  RampService,
  type EndRampRequest,
  type GetRampRequest,
  type ListRampsRequest,
  type SetRampRequest,
} from '@writ/proto/run/v1/ramp';
import { may, maySee } from '../api/may.js';
import { SCHEDULER } from '../api/tokens.js';
import { positionOf } from '../partition/owners.js';
import { taught, teach } from '../partition/teach.js';
import type { Scheduler } from '../scheduler.js';
import { reach } from '../view/reach.js';
import type { RampEventData } from './ramp.events.js';
import { rampHome, type RampCommand } from './ramps.js';
import type { RampRow } from './ramp.view.js';

/** Implements `writ.run.v1.RampService`. The resource of `ramp.read` and `ramp.write` is the workflow. */
@ApiService(RampService)
export class RampApi implements ServiceImplementation<typeof RampService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(HOST) private readonly host: Host,
  ) {}

  setRamp({ workflow, to, percent, from }: SetRampRequest, caller: Caller) {
    const ramp = { to, percent, ...(from !== '' && { from }) };
    return this.change(workflow, { type: 'set', ramp }, caller);
  }

  async endRamp({ workflow }: EndRampRequest, caller: Caller) {
    const { position } = await this.change(workflow, { type: 'end' }, caller);
    return { position };
  }

  async getRamp({ workflow, after }: GetRampRequest, caller: Caller) {
    may(caller, 'ramp.read', workflow);
    // Up to what its partition has recorded, so that nobody reads a state that was over before they asked.
    const home = rampHome(caller.tenant, workflow);
    await reach(this.host, after || positionOf(home, await this.ledger.last('scheduler', home)));
    const row = await this.scheduler.ramps.find(caller.tenant, workflow);
    if (!row) throw refuse('ramp.not_found', `the workflow ${workflow} has no ramp`, { workflow });
    return { ramp: messageOf(row) };
  }

  async listRamps({ pageSize, pageToken, after }: ListRampsRequest, caller: Caller) {
    await reach(this.host, after);
    const limit = pageSize || 50;
    const rows = await this.scheduler.ramps.list(caller.tenant, limit + 1, pageToken);
    const page = rows.slice(0, limit);
    return {
      ramps: page.filter(({ workflow }) => maySee(caller, 'ramp.read', workflow)).map(messageOf),
      nextPageToken: rows.length > limit ? (page.at(-1)?.workflow ?? '') : '',
    };
  }

  /** Answers when every partition knows it. */
  private async change(workflow: string, command: RampCommand, { tenant, actor, grant, principal, trace }: Caller) {
    may({ grant, principal }, 'ramp.write', workflow);
    const { runs, ramps } = this.scheduler;
    const { position, events } = await runs.send({
      tenant, actor, aggregate: 'ramp', subject: workflow, command, partition: rampHome(tenant, workflow),
      ...(trace !== undefined && { trace }),
    }); // prettier-ignore
    const [set] = events;
    if (set) {
      await taught(runs, set);
      return { revision: (set.data as RampEventData<'ramp.set.v1'>).revision, position };
    }
    // It was said before, perhaps by somebody who did not live to teach it.
    await reach(this.host, position);
    const row = await ramps.find(tenant, workflow);
    if (row)
      await teach(runs, {
        tenant,
        actor,
        aggregate: 'ramp',
        subject: workflow,
        content: { revision: row.revision, ramp: row.ramp },
      });
    return { revision: row?.revision ?? 0, position };
  }
}

function messageOf({ workflow, ramp, revision, updatedMs, by }: RampRow) {
  const { to, percent, from = '' } = ramp;
  return { workflow, to, percent, from, revision, updateTime: timestampFromMs(updatedMs), by };
}
