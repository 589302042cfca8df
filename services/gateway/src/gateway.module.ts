import { Module, type DynamicModule } from '@nestjs/common';
import { EventApi } from './events/event.api.js';
import { EventHub } from './events/event-hub.js';

/** What the gateway serves itself; everything else it passes on. */
@Module({})
export class GatewayModule {
  static with(hub: EventHub): DynamicModule {
    return { module: GatewayModule, providers: [EventApi, { provide: EventHub, useValue: hub }] };
  }
}
