import { Module, type DynamicModule } from '@nestjs/common';
import { ArtifactApi } from './artifact/artifact.api.js';
import { Runner } from './runner.js';
import { SandboxApi } from './sandbox/sandbox.api.js';

/** What the sandbox runner consists of. */
@Module({})
export class SandboxRunnerModule {
  static with(runner: Runner): DynamicModule {
    return {
      module: SandboxRunnerModule,
      providers: [SandboxApi, ArtifactApi, { provide: Runner, useValue: runner }],
    };
  }
}
