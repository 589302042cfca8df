import { Module, type DynamicModule } from '@nestjs/common';
import type { ServiceContext } from '@writ/platform';
import { ApprovalApi } from './approval/approval.api.js';
import { ApprovalQueries } from './approval/approval.view.js';
import type { ApprovalEnds } from './approval/approval.waiting.js';
import { Approvals } from './approval/approvals.js';
import { PolicySetApi } from './policy-set/policy-set.api.js';
import { PolicySetQueries } from './policy-set/policy-set.view.js';
import { Views } from './views.js';

/** What the policy service consists of. */
@Module({ providers: [PolicySetApi, ApprovalApi, Views] })
export class PolicyModule {
  static with({ dataSource }: Pick<ServiceContext, 'dataSource'>, ends: ApprovalEnds): DynamicModule {
    return {
      module: PolicyModule,
      providers: [
        { provide: PolicySetQueries, useValue: new PolicySetQueries(dataSource) },
        { provide: Approvals, useValue: new Approvals(new ApprovalQueries(dataSource), ends) },
      ],
    };
  }
}
