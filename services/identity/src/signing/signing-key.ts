import { refuse, type Aggregate } from '@writ/ledger/domain';
import type { Key } from '../principal/keys.js';
import { signingKeyEvents, type SigningKeyEvent } from './signing-key.events.js';

/** Newest first; the first one signs. `until`: when it was succeeded. */
export type SigningKeys = readonly (Key & { since: string; until?: string })[];

/** `replaces` is the kid that the caller believes to be signing (none at the very first), so two rotations at once are one. */
export type SigningKeyCommand = { type: 'activate'; key: Key; replaces?: string };

/** The one subject of this aggregate. */
export const signingSubject = 'signing';

/** How many former keys are remembered; each outlives its last token by far. */
const remembered = 16;

export const signingKeys: Aggregate<SigningKeys, SigningKeyCommand, SigningKeyEvent> = {
  name: 'signing',
  initial: [],
  events: Object.keys(signingKeyEvents) as SigningKeyEvent['type'][],
  decide(command, state) {
    const active = state[0]?.kid;
    if (active === command.key.kid) return [];
    if (active !== command.replaces)
      throw refuse('identity.rotated_meanwhile', `${active ?? 'no key'} is signing, not ${command.replaces ?? 'none'}`);
    return [{ type: 'signing_key.activated.v1', data: command.key }];
  },
  evolve(state, event) {
    const [active, ...former] = state;
    const succeeded = active ? [{ ...active, until: event.time }] : [];
    return [{ ...event.data, since: event.time }, ...succeeded, ...former].slice(0, remembered);
  },
};

/** The keys that a token which is still valid may be signed with: what JWKS shows. */
export function publishedKeys(keys: SigningKeys, now: Date, tokenTtlMs: number): SigningKeys {
  return keys.filter(({ until }) => until === undefined || Date.parse(until) + tokenTtlMs > now.getTime());
}
