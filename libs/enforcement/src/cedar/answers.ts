import {
  statefulIsAuthorized,
  type AuthorizationAnswer,
  type StatefulAuthorizationCall,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Slice } from './slices.js';

/** So many calls are remembered, and none that is longer. */
const [most, longest] = [256, 1_024];

/**
 * Asks Cedar, and remembers what it said: the same policies give the same answer to the same call, since Cedar has neither a clock nor chance.
 * What counts is the call as Cedar gets it, so inputs that no policy of the slice looks at do not make it another one. It lives as long as one
 * version of one tenant's policies.
 */
export class Answers {
  private readonly known = new Map<string, { slice: Slice; answer: AuthorizationAnswer }>();

  of(slice: Slice, asked: Omit<StatefulAuthorizationCall, 'preparsedPolicySetId'>): AuthorizationAnswer {
    const call = { ...asked, preparsedPolicySetId: slice.policySet };
    const text = JSON.stringify(call);
    const known = this.known.get(text);
    // The name of a set of policies may have been lent to others meanwhile; a slice is not.
    if (known?.slice === slice) return known.answer;
    const answer = statefulIsAuthorized(call);
    if (text.length > longest) return answer;
    if (this.known.size >= most) this.known.clear();
    this.known.set(text, { slice, answer });
    return answer;
  }
}
