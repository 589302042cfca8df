import { Inject, Injectable } from '@nestjs/common';
import type { Host } from '@writ/ledger';
import { refuse } from '@writ/ledger/domain';
import { HOST, viewReaches } from '@writ/platform';

const WAIT_MS = 5_000;

/** Lets a reader wait until a view has what they wrote. */
@Injectable()
export class Views {
  constructor(@Inject(HOST) private readonly host: Host) {}

  /** @param after a position, or empty. @throws DomainError `policy.view_behind`, `request.invalid` */
  async upTo(view: string, after: string): Promise<void> {
    if (await viewReaches(this.host, view, after, WAIT_MS)) return;
    throw refuse('policy.view_behind', `the view has not reached ${after} within ${WAIT_MS} ms`);
  }
}
