import { z } from 'zod';
import type { Capability } from '@writ/ledger/domain';

/**
 * One entry of RFC 9396 `authorization_details` of type `writ`, as it stands in events and in token requests.
 * `actions`: `run.start`, `run.*` or `*`. `resources`: literal names or prefixes that end in `*`; absent means every one.
 */
export const capabilitySchema = z
  .object({
    type: z.literal('writ'),
    actions: z
      .array(z.string().regex(/^(\*|[a-z]+\.(\*|[a-z_]+))$/, 'an action is `area.verb`, `area.*` or `*`'))
      .min(1)
      .max(64),
    resources: z
      .array(z.string().min(1).max(512).refine(isPlain, 'holds what is no text'))
      .min(1)
      .max(256)
      .exactOptional(),
  })
  .strict();

/** What comes through the API is asked the same there. */
function isPlain(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000');
}

/** What a principal holds or a grant gives. */
export const capabilitiesSchema = z.array(capabilitySchema).max(64) satisfies z.ZodType<Capability[]>;
