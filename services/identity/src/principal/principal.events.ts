import { z } from 'zod';
import { capabilitiesSchema } from './capability.js';
import { keySchema } from './keys.js';

const created = z.object({
  name: z.string().min(1).max(100),
  /** The person who answers for an agent. */
  owner: z.string().exactOptional(),
  /** What a person belongs to; approvals name groups as `group:<name>`. */
  groups: z.array(z.string()).exactOptional(),
  capabilities: capabilitiesSchema,
  key: keySchema,
});
export type PrincipalCreated = z.infer<typeof created>;
const keyRetired = z.object({ kid: z.string() });
const capabilitiesSet = z.object({ capabilities: capabilitiesSchema });

/** What happens to an agent (`agt_…`), a person (`psn_…`) and the operator, whose key comes from the configuration. */
export const principalEvents = {
  'agent.created.v1': created,
  'agent.key_added.v1': keySchema,
  'agent.key_retired.v1': keyRetired,
  'agent.capabilities_set.v1': capabilitiesSet,
  'person.created.v1': created,
  'person.key_added.v1': keySchema,
  'person.key_retired.v1': keyRetired,
  'person.capabilities_set.v1': capabilitiesSet,
  'operator.created.v1': created,
  'operator.key_added.v1': keySchema,
  'operator.key_retired.v1': keyRetired,
  'operator.capabilities_set.v1': capabilitiesSet,
};

/** One of {@link principalEvents}, as a decider of that kind of principal drafts it. */
export type PrincipalEvent<K extends PrincipalKind = PrincipalKind> =
  | { type: `${K}.created.v1`; data: PrincipalCreated }
  | { type: `${K}.key_added.v1`; data: z.infer<typeof keySchema> }
  | { type: `${K}.key_retired.v1`; data: z.infer<typeof keyRetired> }
  | { type: `${K}.capabilities_set.v1`; data: z.infer<typeof capabilitiesSet> };

/** Who can have a token. */
export type PrincipalKind = 'agent' | 'person' | 'operator';
