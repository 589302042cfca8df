import type { Actor, Capability } from '@writ/ledger/domain';

/** Who calls: what an {@link Authenticator} found out from the token. */
export interface Identity {
  tenant: string;
  /** Id of the agent, person or operator (`sub`). */
  principal: string;
  kind: Actor['kind'];
  /** The same as goes into every event. */
  actor: Actor;
  /** What the token allows: `authorization_details` of type `writ` (RFC 9396). */
  grant: readonly Capability[];
  /** The run that the token was made for. */
  run?: string;
  /** `jti`. */
  tokenId: string;
  expires: Date;
  rawToken: string;
  /** The revocation epoch that the check used. */
  revocationEpoch: number;
}

/** Headers of HTTP and metadata of gRPC, read alike; names in lower case. */
export interface Headers {
  get(name: string): string | undefined;
}

/** One call: who makes it, and what belongs to the call itself. */
export interface Caller extends Identity {
  /** The caller's `x-request-id`, or one made here. It stands on every answer and in the log. */
  requestId: string;
  /** W3C `traceparent` of this call; goes into commands and events. */
  trace?: string;
  /** Aborted when the caller goes away, its deadline passes, or the process drains. */
  signal: AbortSignal;
  headers: Headers;
}

/** What an {@link Authenticator} is told about the method. Public methods do not reach it. */
export interface CalledMethod {
  /** `writ.run.v1.RunService.StartRun`. */
  name: string;
  /** The capability that the grant must hold. */
  requires?: string;
  public: boolean;
}

/**
 * The port to whoever verifies tokens (`@writ/enforcement`; a fake is in `@writ/api/testing`). It verifies the token,
 * asks whether it was revoked, and checks that the grant holds `requires`.
 *
 * @throws DomainError with a code of `authErrors`.
 */
export interface Authenticator {
  authenticate(headers: Headers, method: CalledMethod): Promise<Identity>;
}

/** Stands for the caller of a public method: no tenant, no rights. */
export const anonymous: Identity = {
  tenant: '',
  principal: 'anonymous',
  kind: 'service',
  actor: { principal: 'anonymous', kind: 'service' },
  grant: [],
  tokenId: '',
  expires: new Date(0),
  rawToken: '',
  revocationEpoch: 0,
};
