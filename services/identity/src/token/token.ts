import { refuse, type Aggregate, type Capability, type Peek } from '@writ/ledger/domain';
import { maxDepth, openGrant, type OpenGrant } from '../grant/grant.js';
import { peekPrincipal, plain, within, type ActivePrincipal } from '../principal/principal.js';
import { notRevoked } from '../revocation/revocation.js';
import { tokenEvents, type TokenEvent, type TokenIssued } from './token.events.js';

/** What of a presented token counts when it is exchanged; its signature and expiry were checked. */
export interface Presented {
  sub: string;
  jti: string;
  details: readonly Capability[];
  act: readonly string[];
  from: readonly string[];
  run?: string;
  mayAct?: string;
}

/** Everyone says who asks (`client`, with which of its keys), for which audience and until when. `wanted` narrows. */
export type TokenCommand = {
  client: string;
  kid: string;
  audience: string;
  expires: string;
  wanted?: readonly Capability[];
} & (
  | { type: 'issue_own' }
  | { type: 'issue_for_run'; run: string; presented: Presented }
  | { type: 'narrow'; presented: Presented; mayAct?: string }
);

/**
 * Issuing a token is a change like any other, so it is decided where revocations are: no token comes after the
 * revocation of anything that it rests on.
 */
export const token: Aggregate<null, TokenCommand, TokenEvent> = {
  name: 'token',
  initial: null,
  events: Object.keys(tokenEvents) as TokenEvent['type'][],

  decide(command, _state, { tenant, subject: jti, peek }) {
    const client = peekPrincipal(peek, command.client);
    if (!client) throw refuse('identity.client_not_found', `there is no principal ${command.client} in this tenant`);
    if (!client.keys.some((key) => key.kid === command.kid))
      throw refuse('identity.key_retired', `${command.kid} is not a key of ${command.client} any more`);
    const issued = { ...origin(command, client, peek), audience: command.audience, expires: command.expires };
    const rest = 'presented' in command ? restsOn(command.presented) : [];
    notRevoked(peek, [tenant, jti, command.client, issued.principal, ...issued.act, ...issued.from, ...rest]);
    return [{ type: 'token.issued.v1', data: issued }];
  },

  // Nothing is remembered of a token but in the ledger: what may revoke it has its own state.
  evolve: () => null,
};

type Origin = Omit<TokenIssued, 'audience' | 'expires'>;

function origin(command: TokenCommand, client: ActivePrincipal, peek: Peek): Origin {
  switch (command.type) {
    case 'issue_own':
      return own(command, client);
    case 'issue_for_run':
      return forRun(command, peek);
    case 'narrow': {
      const { run } = command.presented;
      const grant = run === undefined ? undefined : openGrant(peek, run);
      return { ...narrowed(command, client), ...budgetOf(grant) };
    }
  }
}

function own(command: TokenCommand, client: ActivePrincipal): Origin {
  const details = command.wanted ?? client.capabilities;
  within(command.client, client.capabilities, details);
  const groups = client.groups.length === 0 ? {} : { groups: [...client.groups] };
  return { principal: command.client, details: plain(details), act: [], from: [], ...groups };
}

function forRun(command: Extract<TokenCommand, { type: 'issue_for_run' }>, peek: Peek): Origin {
  const { presented } = command;
  if (presented.sub !== command.client)
    throw refuse('identity.not_the_holder', `${command.client} presented a token of ${presented.sub}`);
  const grant = openGrant(peek, command.run);
  if (grant.agent !== command.client && !grant.chain.includes(command.client))
    throw refuse('identity.not_the_holder', `${command.run} acts neither as ${command.client} nor for it`);
  // A run's token must not climb: it opens its own run and those below it, never a sibling's or its parent's.
  if (presented.run !== undefined && presented.run !== command.run && !grant.chain.includes(presented.run))
    throw refuse('identity.exceeds_parent', `${command.run} was not started by ${presented.run}, whose token this is`);
  const details = command.wanted ?? grant.details;
  within(`the run ${command.run}`, grant.details, details);
  // Whom the run acts for may stand in for it, but does not rise by that: its agent may hold more than they do.
  if (grant.agent !== command.client) within('the token presented', presented.details, details);
  return {
    principal: grant.agent,
    run: command.run,
    details: plain(details),
    act: [grant.run, ...grant.chain],
    from: [],
    ...budgetOf(grant),
  };
}

/** Whoever acts in a run spends from its budget, however the token was handed on. */
function budgetOf(grant: OpenGrant | undefined): Pick<Origin, 'budget'> {
  return grant?.budget === undefined ? {} : { budget: grant.budget };
}

function narrowed(command: Extract<TokenCommand, { type: 'narrow' }>, client: ActivePrincipal): Origin {
  const { presented, mayAct } = command;
  const delegated = presented.sub !== command.client;
  if (delegated && presented.mayAct !== command.client)
    throw refuse('identity.not_the_holder', `the token of ${presented.sub} does not name ${command.client} in may_act`);
  const details = command.wanted ?? presented.details;
  within('the token presented', presented.details, details);
  const act = delegated ? delegation(presented) : [...presented.act];
  if (depthOf(act) > maxDepth)
    throw refuse('identity.too_deep', `this would be delegated ${depthOf(act)} times; ${maxDepth} is the most`);
  return {
    principal: command.client,
    details: plain(details),
    act,
    from: [...presented.from, presented.jti],
    ...(presented.run === undefined ? {} : { run: presented.run }),
    ...(mayAct === undefined ? {} : { mayAct }),
    ...(client.groups.length > 0 && !delegated ? { groups: [...client.groups] } : {}),
  };
}

/** What a presented token itself rests on: one that was taken away is worth nothing here either. */
function restsOn({ jti, from, act, run }: Presented): string[] {
  return [jti, ...from, ...act, ...(run === undefined ? [] : [run])];
}

/** The chain behind a sub-agent: the run first, then the one that delegates, then whom that one acts for. */
function delegation({ sub, run, act }: Presented): string[] {
  return [...(run === undefined ? [] : [run]), sub, ...act.filter((id) => id !== run)];
}

/** How many agents stand in the chain. */
function depthOf(act: readonly string[]): number {
  return act.filter((id) => id.startsWith('agt_')).length;
}
