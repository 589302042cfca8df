import { Module, type DynamicModule } from '@nestjs/common';
import { DATA_SOURCE, LEDGER } from '@writ/platform';
import type { Ledger } from '@writ/ledger';
import type { DataSource } from 'typeorm';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { IntegrityChecker } from './integrity/checker.js';
import { AuditApi } from './search/audit.api.js';
import { AuditQueries } from './search/audit.queries.js';

/** What audit consists of. */
@Module({})
export class AuditModule {
  static with(checkpoints: Checkpoints): DynamicModule {
    return {
      module: AuditModule,
      providers: [
        AuditApi,
        { provide: Checkpoints, useValue: checkpoints },
        {
          provide: AuditQueries,
          inject: [DATA_SOURCE],
          useFactory: (dataSource: DataSource) => new AuditQueries(dataSource),
        },
        {
          provide: IntegrityChecker,
          inject: [LEDGER, DATA_SOURCE],
          useFactory: (ledger: Ledger, dataSource: DataSource) => new IntegrityChecker(ledger, dataSource, checkpoints),
        },
      ],
    };
  }
}
