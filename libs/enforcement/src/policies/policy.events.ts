import type { EventDraft, Json } from '@writ/ledger/domain';
import type { Finding, PolicyFile } from '../cedar/policy-files.js';

/** What the policy service writes and every enforcement point follows. Subject: the tenant. */
export type PolicySetEvent =
  | EventDraft<
      'policy_set.pushed.v1',
      { readonly version: string; readonly files: readonly PolicyFile[]; readonly policies: number }
    >
  | EventDraft<'policy_set.validated.v1', { readonly version: string; readonly findings: readonly Finding[] }>
  | EventDraft<
      'policy_set.activated.v1',
      { readonly version: string; readonly mode: PolicyMode; readonly policies: number }
    >;

export type PolicyMode = 'enforce' | 'log-only';

/** The arguments of the tenant's tools. Subject: the tenant. */
export type ToolSchemaEvent =
  | EventDraft<'tool_schema.registered.v1', { readonly tool: string; readonly inputSchema: Json }>
  | EventDraft<'tool_schema.removed.v1', { readonly tool: string }>;

/** Commands of the policy service's aggregate `tool_schema`; the subject is the tenant's id. Nothing is written for what is known already. */
export type ToolSchemaCommand =
  | { readonly type: 'register'; readonly tools: readonly { readonly tool: string; readonly inputSchema: Json }[] }
  | { readonly type: 'remove'; readonly tools: readonly string[] };
