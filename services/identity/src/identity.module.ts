import { Module, type DynamicModule } from '@nestjs/common';
import type { IdentityParts } from './identity.parts.js';
import { IdentityApi } from './registry/identity.api.js';
import { IdentityCommands } from './registry/identity.commands.js';
import { RegistryQueries } from './registry/registry.queries.js';
import { Revoker } from './revocation/revoker.js';
import { SigningRing } from './signing/signing-ring.js';

/** What exists in identity. */
@Module({})
export class IdentityModule {
  static with({ commands, queries, revoker, ring }: IdentityParts): DynamicModule {
    return {
      module: IdentityModule,
      providers: [
        IdentityApi,
        { provide: IdentityCommands, useValue: commands },
        { provide: RegistryQueries, useValue: queries },
        { provide: Revoker, useValue: revoker },
        { provide: SigningRing, useValue: ring },
      ],
    };
  }
}
