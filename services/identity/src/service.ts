import { readConfig, startService, type RunningService } from '@writ/platform';
import { IdentityConfig } from './config.js';
import { identityErrors } from './identity.errors.js';
import { identityModel } from './identity.model.js';
import { IdentityModule } from './identity.module.js';
import { IdentityParts } from './identity.parts.js';
import { Identity0001 } from './migrations/0001-identity.js';
import { Identity0002 } from './migrations/0002-tenants.js';
import { mountProvider } from './oauth/mount.js';
import { registryEntities } from './registry/registry.entities.js';
import { registryProjection } from './registry/registry.view.js';
import { HeartbeatSender } from './revocation/heartbeat.js';
import { sealingSecret } from './signing/sealing.js';

/** Starts identity. @throws Error when the environment is not complete or something it needs cannot be reached */
export async function start(env: Record<string, string | undefined>): Promise<RunningService> {
  const config = readConfig(IdentityConfig, env);
  const secret = await sealingSecret(config.WRIT_IDENTITY_SECRET, config.WRIT_DATA);
  let heartbeat: HeartbeatSender | undefined;
  let parts: IdentityParts | undefined;
  return startService({
    name: 'identity',
    config,
    entities: registryEntities,
    migrations: [Identity0001, Identity0002],
    errors: [identityErrors],
    enforcement: 'follow',
    host({ ledger, log }) {
      heartbeat = new HeartbeatSender(ledger, log);
      const { onOwned, onLost, onCommit } = heartbeat;
      return { model: identityModel, projections: [registryProjection], onOwned, onLost, onCommit };
    },
    module(context) {
      parts = new IdentityParts(context, secret);
      return IdentityModule.with(parts);
    },
    routes: (_context, fastify) => mountProvider(fastify, config.WRIT_ISSUER, () => parts?.oauth()),
    after: () => parts?.open(),
    async stopping() {
      heartbeat?.stop();
      await parts?.close();
    },
  });
}
