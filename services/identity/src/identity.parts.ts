import { TokenVerifier, type RefusedCall } from '@writ/enforcement';
import { every } from '@writ/ledger';
import type { Capability } from '@writ/ledger/domain';
import type { ServiceContext } from '@writ/platform';
import type { JWK } from 'oidc-provider';
import { serviceCapabilities, type IdentityConfig } from './config.js';
import type { RequestHandler } from './oauth/mount.js';
import { makeProvider } from './oauth/provider.js';
import { Resources } from './oauth/resources.js';
import { postgresStorage, sweepStorage } from './oauth/storage.js';
import { operatorId, systemTenant } from './principal/principal.js';
import { IdentityCommands, itself } from './registry/identity.commands.js';
import { keyOf } from './registry/registry.messages.js';
import { RegistryQueries } from './registry/registry.queries.js';
import { Revoker } from './revocation/revoker.js';
import { signingSubject } from './signing/signing-key.js';
import { SigningRing } from './signing/signing-ring.js';

const housekeepingMs = 5_000;
const everything = [{ type: 'writ', actions: ['*'] }] as const;

/** The parts of the service, put together once its partition is hosted. */
export class IdentityParts {
  readonly queries: RegistryQueries;
  readonly commands: IdentityCommands;
  readonly revoker: Revoker;
  readonly ring: SigningRing;
  private handler: RequestHandler | undefined;
  private rest: () => void = () => undefined;
  private working: Promise<void> = Promise.resolve();

  /** @param secret seals the signing keys. */
  constructor(
    private readonly context: ServiceContext<IdentityConfig>,
    secret: Buffer,
  ) {
    const { dataSource, ledger, host, log, config } = context;
    if (!host) throw new Error('the partition must be hosted first');
    this.queries = new RegistryQueries(dataSource);
    this.commands = new IdentityCommands(ledger, host);
    this.revoker = new Revoker(this.commands, this.queries);
    this.ring = new SigningRing({
      dataSource,
      secret,
      log,
      queries: this.queries,
      tokenTtlS: config.WRIT_TOKEN_TTL_S,
      activate: (key, replaces, actor) => {
        const by = { actor, tenant: systemTenant, signal: AbortSignal.timeout(10_000) };
        return this.commands.sendAndSee(by, 'signing', signingSubject, {
          type: 'activate',
          key,
          ...(replaces && { replaces }),
        });
      },
      changed: (keys) => this.sign(keys),
    });
  }

  /** Answers requests to the authorization server; nothing before the first key is there. */
  readonly oauth = (): RequestHandler | undefined => this.handler;

  /** Enrols the operator and the services, opens the signing keys, and begins to clean up after itself. */
  async open(): Promise<void> {
    await this.context.host?.ready;
    const broken = this.context.host?.health().partitions.find(({ state }) => state === 'failed');
    if (broken) throw new Error(`identity cannot be served: ${broken.detail}. Restore the newest backup: writ restore`);
    await this.commands.seeEverything();
    await this.enrolOperators();
    await this.ring.open();
    const housekeeping = async () => {
      await this.ring.reload(); // also what another replica rotated
      await sweepStorage(this.context.dataSource);
      await this.queries.sweepTokens();
    };
    this.rest = every(housekeepingMs, () => {
      this.working = this.working
        .then(housekeeping)
        .catch((error: unknown) => this.context.log.warn({ err: error }, 'housekeeping failed; trying again'));
    });
  }

  async close(): Promise<void> {
    this.rest();
    await this.working;
  }

  private sign(keys: readonly JWK[]): void {
    const { config, dataSource, log } = this.context;
    const { WRIT_ISSUER: issuer, WRIT_AUDIENCE: audience, WRIT_TOKEN_TTL_S: tokenTtlS } = config;
    const options = {
      issuer,
      tokenTtlS,
      log,
      resources: new Resources(audience, issuer, tokenTtlS),
      directory: { find: (id: string) => this.findClient(id) },
      issue: this.commands.issueToken.bind(this.commands),
      verifier: new TokenVerifier({ issuer, keys: this.ring }),
      storage: postgresStorage(dataSource),
      refused: (call: RefusedCall) => this.context.enforcement?.refusedAtDoor(call),
    };
    this.handler = makeProvider(options, keys).callback();
  }

  /** Whoever is not in the view may have been created a moment ago, by way of another replica. */
  private async findClient(id: string) {
    const found = await this.queries.client(id);
    if (found) return found;
    await this.commands.seeEverything();
    return this.queries.client(id);
  }

  private async enrolOperators(): Promise<void> {
    const { WRIT_OPERATOR_JWK: operatorJwk, WRIT_SERVICE_JWKS: serviceJwks = {} } = this.context.config;
    if (operatorJwk !== undefined) await this.enrol(operatorId, operatorJwk, everything);
    for (const [id, jwk] of Object.entries(serviceJwks))
      await this.enrol(id, JSON.stringify(jwk), serviceCapabilities[id as keyof typeof serviceCapabilities]);
  }

  /** The configured key is the only one: the one before ends with it. */
  private async enrol(id: string, jwk: string, capabilities: readonly Capability[]): Promise<void> {
    const key = await keyOf(jwk);
    const by = { actor: itself, tenant: systemTenant, signal: AbortSignal.timeout(10_000) };
    const send = (command: { type: string; [field: string]: unknown }) =>
      this.commands.sendAndSee(by, 'operator', id, { ...command, holds: everything });
    if (!(await this.queries.client(id))) {
      await send({ type: 'create', name: id, key, capabilities });
      return;
    }
    await send({ type: 'rotate_key', key });
    await send({ type: 'set_capabilities', capabilities }); // they are code, and code changes
  }
}
