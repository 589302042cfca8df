import { registerErrors } from '@writ/api';
import type { Ledger, Logger } from '@writ/ledger';
import { DomainError, partitionLabel, type ServiceName } from '@writ/ledger/domain';
import { actionErrors } from './action/action.errors.js';
import type { Outcome, Refused } from './action/action.events.js';
import { approvalErrors } from './approvals/approval.errors.js';
import { Approvals } from './approvals/approvals.js';
import { TokenAuthenticator, type RefusedCall } from './authenticator.js';
import { budgetErrors, Budgets } from './pipeline/budgets.js';
import { Effects } from './pipeline/effects.js';
import { Holder } from './pipeline/holder.js';
import { Pipeline } from './pipeline/pipeline.js';
import type { Authority, Trust } from './pipeline/ports.js';
import type { ActContext, ActingCaller, ActionRequest, Begun, Performed } from './pipeline/request.js';
import { Running } from './pipeline/running.js';
import { PolicyFollower } from './policies/policy-follower.js';
import { RefusalRecorder } from './refusals.js';
import { RevocationFollower } from './revocations.follower.js';
import { revokedSince } from './revocations.history.js';
import type { Revoked } from './revocations.js';
import { KeySet } from './tokens.keys.js';
import { TokenVerifier, type VerifiedToken } from './tokens.js';

export interface EnforcementOptions {
  readonly ledger: Ledger;
  /** `iss` of the tokens: the public URL of the authorization server. */
  readonly issuer: string;
  /** A token must be made for one of these. */
  readonly audience: readonly string[];
  /** In whose ledger decisions, intents and outcomes are recorded; it has `actionAggregate` among its aggregates. */
  readonly service: ServiceName;
  /** The partition that records them; default: by effect id. */
  readonly partition?: number;
  /** Default `<issuer>/jwks`. */
  readonly jwksUrl?: string;
  readonly log?: Logger;
  /** Replaces the look-up of signing keys; for tests. */
  readonly keys?: KeySet;
}

/** What an enforcement point is made of. */
interface Parts {
  readonly verifier: TokenVerifier;
  readonly revocations: RevocationFollower;
  readonly policies: PolicyFollower;
  readonly refusals: RefusalRecorder;
  readonly running: Running;
  readonly holder: Holder;
}

/** The one enforcement pipeline of a service: who calls, may they still, does the policy let them, and what became of it. */
export class Enforcement implements AsyncDisposable {
  readonly authenticator: TokenAuthenticator;
  private readonly ledger: Ledger;
  private readonly pipeline: Pipeline;
  private readonly effects: Effects;

  /** Begins to follow identity and policy; until both are known every call is refused with a code that may be retried. */
  static start(options: EnforcementOptions): Promise<Enforcement> {
    const { ledger, issuer, service, partition, log } = options;
    registerErrors(actionErrors, approvalErrors, budgetErrors);
    const keys = options.keys ?? new KeySet({ url: options.jwksUrl ?? `${issuer}/jwks` });
    const running = new Running();
    const logged = log === undefined ? {} : { log };
    const parts: Parts = {
      verifier: new TokenVerifier({ issuer, keys }),
      revocations: RevocationFollower.start({ ledger, keys, ...logged }),
      policies: PolicyFollower.start(ledger, log),
      refusals: new RefusalRecorder({
        actions: ledger.commands(service),
        ...logged,
        ...(partition === undefined ? {} : { partition }),
      }),
      running,
      holder: new Holder(ledger.nc, ledger.service ?? service, (tenant, effectId) => running.has(tenant, effectId)),
    };
    return Promise.resolve(new Enforcement(parts, options));
  }

  private constructor(
    private readonly parts: Parts,
    { ledger, audience, service, partition, log }: EnforcementOptions,
  ) {
    this.ledger = ledger;
    const { revocations, policies, holder, running } = parts;
    this.authenticator = this.authenticatorFor(audience);
    this.effects = new Effects(ledger.commands(service), {
      ...(partition === undefined ? {} : { partition }),
      ...(log === undefined ? {} : { log }),
    });
    this.pipeline = new Pipeline({
      effects: this.effects,
      approvals: new Approvals(ledger.commands('policy')),
      trust: this.trust(),
      budgets: new Budgets(ledger.commands('scheduler')),
      policies,
      holder,
      running,
      observer: ledger.observer,
    });
    revocations.onRevoked(() => running.abortRevoked());
  }

  /** The admission of a door whose tokens are made for an audience of its own. It shares everything else. */
  authenticatorFor(audience: readonly string[]): TokenAuthenticator {
    const { verifier, revocations, refusals } = this.parts;
    return new TokenAuthenticator({
      verifier,
      revocations,
      audience,
      onRefused: (refused) => refusals.refused(refused),
    });
  }

  /** What the policies say, without doing or recording anything. */
  get policies(): PolicyFollower {
    return this.parts.policies;
  }

  readonly health = {
    /** Milliseconds since everything that identity had committed was known here. */
    revocationAgeMs: (): number => this.parts.revocations.ageMs(),
    /** The last commit of policy's ledger that decisions are taken under. */
    policyPosition: (): string => `policy/${partitionLabel(0)}/${this.policies.commit}/0`,
    /** Whether calls are let in at all. */
    ready: (): boolean => this.policies.ready && this.parts.revocations.fresh(),
  };

  /**
   * The whole pipeline for one action: capability, revocation, policy, approval, intent, act, outcome. `act` runs only after the intent is
   * committed, at most once per effect id, and is aborted when the caller's authority is revoked. What `act` throws is recorded and thrown on.
   *
   * @throws DomainError `auth.*`, `approval.*`, `policy.unavailable`, `action.arguments_changed`, `action.not_yours`, `action.in_progress`,
   * `request.invalid`, `ledger.*`; and for an effect that failed before, the code of that failure
   */
  perform<T>(request: ActionRequest<T>, act: (context: ActContext) => Promise<T>): Promise<Performed<T>> {
    return this.pipeline.perform(request, act);
  }

  /** The first half of an action whose code runs in the caller's worker. Refuses like {@link perform}. */
  begin(request: ActionRequest<never>): Promise<Begun | Exclude<Performed<never>, { outcome: 'done' }>> {
    return this.pipeline.begin(request);
  }

  /** The second half: what became of it. @throws DomainError `action.not_begun`, `action.not_yours`, `action.superseded`, `ledger.*` */
  end(
    caller: ActingCaller,
    effectId: string,
    outcome: Outcome & { readonly durationMs?: number },
  ): Promise<{ position: string }> {
    return this.pipeline.end(caller, effectId, outcome);
  }

  /** Records a refusal that a service made by itself, for instance of an upstream that is not approved. Gives its position. */
  async recordRefusal(caller: ActingCaller, subject: string, refused: Refused): Promise<string> {
    return (await this.effects.refuse(caller, subject, refused)).position;
  }

  /** Records a refusal at a door that has a way of its own to let people in. Returns at once; without `by` a flood of them is counted. */
  refusedAtDoor(refused: RefusedCall): void {
    this.parts.refusals.refused(refused);
  }

  /** Told in the same turn in which a revocation becomes known here: cut streams, kill what runs. */
  onRevoked(listener: (revoked: Revoked) => void): () => void {
    return this.parts.revocations.onRevoked(listener);
  }

  /** What was revoked since then, up to now, oldest first; for whoever keeps what lives longer than a token. @throws DomainError `ledger.*` */
  revokedSince(since: Date): AsyncIterable<Revoked> {
    return revokedSince(this.ledger, since.getTime());
  }

  /** Follows the authority of a caller for as long as a stream, a session or a process lasts. @throws DomainError `auth.*` when it is gone already */
  async watch(caller: ActingCaller): Promise<Watched> {
    const authority = await this.trust().check(caller);
    const abort = new AbortController();
    const stop = this.onRevoked(() => {
      const reason = authority.lost();
      if (reason !== undefined) abort.abort(reason);
    });
    return { signal: abort.signal, [Symbol.dispose]: stop };
  }

  /** Groups of the person who calls, as their token tells them. */
  async groupsOf({ rawToken }: Pick<ActingCaller, 'rawToken'>): Promise<readonly string[]> {
    return (await this.parts.verifier.verify(rawToken)).groups;
  }

  /** Lets what runs finish, writes what is still to be recorded, and stops following. */
  async stop(): Promise<void> {
    await this.parts.running.settled();
    await this.parts.refusals.flush();
    this.parts.holder.stop();
    await Promise.all([this.parts.revocations.stop(), this.policies.stop()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private lost(token: VerifiedToken): DomainError | undefined {
    try {
      this.authenticator.check(token);
      return undefined;
    } catch (problem) {
      return problem instanceof DomainError && problem.code === 'auth.revoked' ? problem : undefined;
    }
  }

  private trust(): Trust {
    const { revocations, verifier } = this.parts;
    return {
      get epoch() {
        return revocations.epoch;
      },
      check: async (caller): Promise<Authority> => {
        const token = await verifier.verify(caller.rawToken);
        await this.authenticator.untilFresh();
        this.authenticator.check(token);
        return { lost: () => this.lost(token), budget: token.budget };
      },
    };
  }
}

/** `signal` is aborted with the refusal as its reason when the authority is revoked. */
export interface Watched extends Disposable {
  readonly signal: AbortSignal;
}
