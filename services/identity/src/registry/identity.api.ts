import { Inject } from '@nestjs/common';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ApiService, holds, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import {
  IdentityService,
  type AddAgentKeyRequest,
  type AddPersonKeyRequest,
  type CreateAgentRequest,
  type CreatePersonRequest,
  type CreateTenantRequest,
  type GetAgentRequest,
  type GetPersonRequest,
  type ListAgentsRequest,
  type ListPeopleRequest,
  type ListRevocationsRequest,
  type ListTenantsRequest,
  type RetireAgentKeyRequest,
  type RevokeRequest,
  type RotateSigningKeyRequest,
  type SetAgentCapabilitiesRequest,
  type WhoAmIRequest,
} from '@writ/proto/identity/v1/identity';
import { Revoker } from '../revocation/revoker.js';
import { SigningRing } from '../signing/signing-ring.js';
import { IdentityCommands } from './identity.commands.js';
import { operatorOnly } from './operator-only.js';
import {
  agentMessage,
  capabilitiesOf,
  capabilityMessage,
  chosenId,
  keyOf,
  personMessage,
  revocationMessage,
  tenantMessage,
  versionOf,
} from './registry.messages.js';
import { RegistryQueries } from './registry.queries.js';

/** Implements `writ.identity.v1.IdentityService`; paths, validation and required capabilities stand in the proto. */
@ApiService(IdentityService)
export class IdentityApi implements ServiceImplementation<typeof IdentityService> {
  constructor(
    @Inject(IdentityCommands) private readonly commands: IdentityCommands,
    @Inject(RegistryQueries) private readonly queries: RegistryQueries,
    @Inject(Revoker) private readonly revoker: Revoker,
    @Inject(SigningRing) private readonly ring: SigningRing,
  ) {}

  async createTenant({ name, id }: CreateTenantRequest, caller: Caller) {
    operatorOnly(caller, 'create tenants');
    const tenant = chosenId('tnt', id);
    const { position } = await this.commands.sendAndSee(caller, 'tenant', tenant, { type: 'create', name }, tenant);
    return { id: tenant, position };
  }

  async listTenants({ after, ...page }: ListTenantsRequest, caller: Caller) {
    operatorOnly(caller, 'see the tenants of others');
    await this.commands.see(after);
    const { rows, nextPageToken } = await this.queries.tenants(page);
    return { tenants: rows.map(tenantMessage), nextPageToken };
  }

  async createPerson(request: CreatePersonRequest, caller: Caller) {
    const id = chosenId('psn', request.id);
    mustHold(caller, 'person.write', id);
    await this.queries.available(caller.tenant, 'person', id);
    const { name, groups } = request;
    const described = {
      name,
      groups,
      capabilities: capabilitiesOf(request.capabilities),
      key: await keyOf(request.jwk),
    };
    const { position } = await this.commands.sendAndSee(caller, 'person', id, {
      type: 'create',
      holds: caller.grant,
      ...described,
    });
    await this.queries.available(caller.tenant, 'person', id); // two tenants asked at once: the view has the first
    return { id, position };
  }

  async getPerson({ id, after }: GetPersonRequest, caller: Caller) {
    mustHold(caller, 'person.read', id);
    await this.commands.see(after);
    return { person: personMessage(await this.queries.principal(caller.tenant, 'person', id)) };
  }

  async listPeople({ after, ...page }: ListPeopleRequest, caller: Caller) {
    await this.commands.see(after);
    const { rows, nextPageToken } = await this.queries.principals(caller.tenant, 'person', page);
    const seen = rows.filter(({ id }) => holds(caller, 'person.read', id));
    return { people: seen.map(personMessage), nextPageToken };
  }

  addPersonKey(request: AddPersonKeyRequest, caller: Caller) {
    return this.addKey('person', request, caller);
  }

  async createAgent(request: CreateAgentRequest, caller: Caller) {
    const id = chosenId('agt', request.id);
    mustHold(caller, 'agent.write', id);
    await this.queries.available(caller.tenant, 'agent', id);
    const owner = request.owner || (caller.kind === 'person' ? caller.principal : undefined);
    const described = {
      name: request.name,
      capabilities: capabilitiesOf(request.capabilities),
      key: await keyOf(request.jwk),
    };
    const command = { type: 'create', holds: caller.grant, ...described, ...(owner !== undefined && { owner }) };
    const { position } = await this.commands.sendAndSee(caller, 'agent', id, command);
    await this.queries.available(caller.tenant, 'agent', id); // likewise
    return { agent: agentMessage(await this.queries.principal(caller.tenant, 'agent', id)), position };
  }

  async getAgent({ id, after }: GetAgentRequest, caller: Caller) {
    mustHold(caller, 'agent.read', id);
    await this.commands.see(after);
    return { agent: agentMessage(await this.queries.principal(caller.tenant, 'agent', id)) };
  }

  async listAgents({ after, ...page }: ListAgentsRequest, caller: Caller) {
    await this.commands.see(after);
    const { rows, nextPageToken } = await this.queries.principals(caller.tenant, 'agent', page);
    const seen = rows.filter(({ id }) => holds(caller, 'agent.read', id));
    return { agents: seen.map(agentMessage), nextPageToken };
  }

  addAgentKey(request: AddAgentKeyRequest, caller: Caller) {
    return this.addKey('agent', request, caller);
  }

  async retireAgentKey({ id, kid }: RetireAgentKeyRequest, caller: Caller) {
    mustHold(caller, 'agent.write', id);
    const { position } = await this.commands.sendAndSee(caller, 'agent', id, { type: 'retire_key', kid });
    return { position };
  }

  async setAgentCapabilities({ id, capabilities, etag }: SetAgentCapabilitiesRequest, caller: Caller) {
    mustHold(caller, 'agent.write', id);
    const version = versionOf(etag);
    const wanted = { capabilities: capabilitiesOf(capabilities), ...(version !== undefined && { ifVersion: version }) };
    const { position } = await this.commands.sendAndSee(caller, 'agent', id, {
      type: 'set_capabilities',
      holds: caller.grant,
      ...wanted,
    });
    return { position };
  }

  async revoke({ subject, reason, validateOnly }: RevokeRequest, caller: Caller) {
    mustHold(caller, 'identity.revoke', subject);
    return validateOnly ? this.revoker.preview(caller, subject) : this.revoker.revoke(caller, subject, reason);
  }

  async listRevocations({ after, ...page }: ListRevocationsRequest, caller: Caller) {
    await this.commands.see(after);
    const { rows, nextPageToken } = await this.queries.revocations(caller.tenant, page);
    const seen = rows.filter(({ subject }) => holds(caller, 'identity.revoke', subject));
    return { revocations: seen.map(revocationMessage), nextPageToken };
  }

  async rotateSigningKey(_request: RotateSigningKeyRequest, caller: Caller) {
    operatorOnly(caller, 'rotate the signing key');
    return this.ring.rotate(caller.actor);
  }

  async whoAmI(_request: WhoAmIRequest, { principal, kind, tenant, actor, run, grant, expires }: Caller) {
    return {
      principal,
      kind,
      tenant,
      onBehalfOf: [...(actor.onBehalfOf ?? [])],
      run: run ?? '',
      capabilities: grant.map(capabilityMessage),
      expireTime: timestampFromDate(expires),
    };
  }

  private async addKey(kind: 'agent' | 'person', request: AddAgentKeyRequest | AddPersonKeyRequest, caller: Caller) {
    mustHold(caller, `${kind}.write`, request.id);
    const key = await keyOf(request.jwk);
    const type = request.retireOthers ? 'rotate_key' : 'add_key';
    const { position } = await this.commands.sendAndSee(caller, kind, request.id, { type, key, holds: caller.grant });
    return { kid: key.kid, position };
  }
}
