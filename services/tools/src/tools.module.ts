import { Module, type DynamicModule } from '@nestjs/common';
import { Gateway } from './gateway.js';
import { ToolApi } from './server/server.api.js';

/** What the tool gateway consists of. */
@Module({})
export class ToolsModule {
  static with(gateway: Gateway): DynamicModule {
    return { module: ToolsModule, providers: [ToolApi, { provide: Gateway, useValue: gateway }] };
  }
}
