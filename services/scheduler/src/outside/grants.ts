import type { CommandClient } from '@writ/ledger';
import type { Actor, Capability, LedgerEvent } from '@writ/ledger/domain';

/** A run's authority, as it is asked of identity. */
export interface GrantRequest {
  tenant: string;
  actor: Actor;
  run: string;
  agent: string;
  /** What is started; the parent's grant must permit that. */
  workflow: string;
  /** The run that starts it: its grant is the limit. */
  parent?: string;
  onBehalfOf?: readonly string[];
  details?: readonly Capability[];
  /** The run whose budget pays for what is done in it. */
  budget?: string;
  trace?: string;
}

/** The port to who says what a run may do. */
export interface Grants {
  /** A repeat is a success. @throws DomainError `identity.*` */
  issue(request: GrantRequest): Promise<void>;
  /** The run has ended, by this event: its tokens are worth nothing any more. */
  close(end: LedgerEvent): Promise<void>;
}

/** Identity, by commands to its ledger. */
export class IdentityGrants implements Grants {
  constructor(private readonly identity: CommandClient) {}

  async issue({ tenant, actor, run, trace, ...wanted }: GrantRequest): Promise<void> {
    const command = { type: 'issue', ...wanted };
    await this.identity.send({ tenant, actor, aggregate: 'grant', subject: run, command, ...(trace && { trace }) });
  }

  async close({ tenant, subject, actor, id: cause, trace }: LedgerEvent): Promise<void> {
    const about = { tenant, actor, aggregate: 'grant', subject, cause, ...(trace !== undefined && { trace }) };
    await this.identity.send({ ...about, command: { type: 'close' } });
  }
}

/** Grants everything but what it was told to refuse; for tests and for a scheduler without identity. */
export class FakeGrants implements Grants {
  readonly issued: GrantRequest[] = [];
  readonly closed: string[] = [];
  refuse: ((request: GrantRequest) => Error | undefined) | undefined;

  async issue(request: GrantRequest): Promise<void> {
    const error = this.refuse?.(request);
    if (error) throw error;
    this.issued.push(request);
  }

  async close({ subject }: LedgerEvent): Promise<void> {
    this.closed.push(subject);
  }
}
