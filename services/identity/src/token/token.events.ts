import { z } from 'zod';
import { capabilitiesSchema } from '../principal/capability.js';

/**
 * A token was issued. The subject is its `jti` (`tok_…`). It is on the record before it is signed; the token itself and
 * its signature never are.
 */
export const tokenEvents = {
  'token.issued.v1': z.object({
    principal: z.string(),
    audience: z.string(),
    expires: z.iso.datetime(),
    details: capabilitiesSchema,
    /** The run that it is for. */
    run: z.string().exactOptional(),
    /** The run whose budget pays for what is done with it. */
    budget: z.string().exactOptional(),
    /** The chain of RFC 8693 `act`, outermost first, as ids of runs, agents and people; empty for a token of one's own. */
    act: z.array(z.string()),
    /** `jti` of the tokens that it was derived from: it falls with them. */
    from: z.array(z.string()),
    /** The agent that may exchange it further (RFC 8693 section 4.4). */
    mayAct: z.string().exactOptional(),
    groups: z.array(z.string()).exactOptional(),
  }),
};
export type TokenIssued = z.infer<(typeof tokenEvents)['token.issued.v1']>;
export type TokenEvent = { type: 'token.issued.v1'; data: TokenIssued };
