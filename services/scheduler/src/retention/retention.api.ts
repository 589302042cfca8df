import { durationFromMs, durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Inject } from '@nestjs/common';
import { ApiService, type Caller, type ServiceImplementation } from '@writ/api';
import type { Host, Ledger } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import { HOST, LEDGER, viewReaches } from '@writ/platform';
import { RetentionService, type GetRetentionRequest, type SetRetentionRequest } from '@writ/proto/run/v1/retention';
import { may } from '../api/may.js';
import { SCHEDULER } from '../api/tokens.js';
import { positionOf, schedulerPartition } from '../partition/owners.js';
import type { Scheduler } from '../scheduler.js';
import { viewWaitMs } from '../view/reach.js';
import { runViewName } from '../view/run-view.js';
import { endedStates, retentionSubject, type EndedState, type RetentionCommand } from './retention.js';

/** Implements `writ.run.v1.RetentionService`. Its capabilities have no resources: rules are about all runs. */
@ApiService(RetentionService)
export class RetentionApi implements ServiceImplementation<typeof RetentionService> {
  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(HOST) private readonly host: Host,
  ) {}

  async getRetention({ after }: GetRetentionRequest, caller: Caller) {
    const { tenant } = caller;
    may(caller, 'retention.read', '*');
    const partition = schedulerPartition(tenant, retentionSubject);
    const position = after || positionOf(partition, await this.ledger.last('scheduler', partition));
    if (!(await viewReaches(this.host, runViewName, position, viewWaitMs)))
      throw refuse('ledger.unavailable', `the view of rules has not reached ${position} yet`);
    const row = await this.scheduler.retention.find(tenant);
    if (!row) return {};
    const rules = row.retention.rules.map(({ workflow = '', states, keepMs }) => ({
      workflow,
      states: [...states],
      keep: durationFromMs(keepMs),
    }));
    return { rules, by: row.retention.by, updateTime: timestampFromMs(row.updatedMs) };
  }

  async setRetention({ rules: given }: SetRetentionRequest, caller: Caller) {
    may(caller, 'retention.write', '*');
    const { tenant, actor, principal: by } = caller;
    const rules = given.map(({ workflow, states, keep }) => ({
      ...(workflow !== '' && { workflow }),
      states: states.length > 0 ? (states as EndedState[]) : endedStates,
      keepMs: keep ? durationMs(keep) : 0,
    }));
    const command: RetentionCommand = { type: 'set', rules, by };
    const { position } = await this.scheduler.runs.send({
      tenant, actor, aggregate: 'retention', subject: retentionSubject, command,
    }); // prettier-ignore
    return { position };
  }
}
