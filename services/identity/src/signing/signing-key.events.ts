import { z } from 'zod';
import { keySchema } from '../principal/keys.js';

/**
 * The authorization server signs with another key from now on. The subject is always `signing`, in the tenant `system`.
 * Public half only; the private half is sealed in the vault and never in an event.
 */
export const signingKeyEvents = { 'signing_key.activated.v1': keySchema };
export type SigningKeyEvent = { type: 'signing_key.activated.v1'; data: z.infer<typeof keySchema> };
