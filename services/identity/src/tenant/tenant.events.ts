import { z } from 'zod';

/** What happens to a tenant. The subject is its id (`tnt_…`), and the event is recorded in that tenant itself. */
export const tenantEvents = { 'tenant.created.v1': z.object({ name: z.string().min(1).max(100) }) };
export type TenantEvent = { type: 'tenant.created.v1'; data: z.infer<(typeof tenantEvents)['tenant.created.v1']> };
