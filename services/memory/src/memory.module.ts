import { Module } from '@nestjs/common';
import { DATA_SOURCE } from '@writ/platform';
import type { DataSource } from 'typeorm';
import { MemoryApi } from './memory/memory.api.js';
import { MemoryQueries } from './memory/memory.view.js';

/** What memory consists of. */
@Module({
  providers: [
    MemoryApi,
    {
      provide: MemoryQueries,
      inject: [DATA_SOURCE],
      useFactory: (dataSource: DataSource) => new MemoryQueries(dataSource),
    },
  ],
})
export class MemoryModule {}
