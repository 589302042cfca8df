import { checkPolicies, digestOf, type PolicyFile, type PolicyMode, type PolicySetEvent } from '@writ/enforcement';
import { refuse, type Aggregate, type Json } from '@writ/ledger/domain';
import { typesOf, type ToolSchemas } from '../tool-schema/tool-schema.js';

/** The policies of one tenant: at most one version is active, named by the hash of its files. */
export type PolicySet =
  { readonly status: 'none' } | { readonly status: 'active'; readonly version: string; readonly mode: PolicyMode };

export interface PushPolicies {
  readonly type: 'push';
  readonly files: readonly PolicyFile[];
  readonly mode: PolicyMode;
  /** The version that must be active; the empty string means: none. */
  readonly expectedVersion?: string;
}

/** Bytes of all files together: they must fit into one commit beside their findings. */
export const MAX_BYTES = 393_216;
/** Checking one takes about two milliseconds, in which neither this service nor any enforcement point does anything else. */
export const MAX_POLICIES = 1_000;

/** Subject: the tenant. */
export const policySet: Aggregate<PolicySet, PushPolicies, PolicySetEvent> = {
  name: 'policy_set',
  initial: { status: 'none' },
  events: ['policy_set.pushed.v1', 'policy_set.validated.v1', 'policy_set.activated.v1'],

  decide({ files, mode, expectedVersion }, state, { peek, subject }) {
    const current = state.status === 'active' ? state.version : '';
    if (expectedVersion !== undefined && expectedVersion !== current) {
      throw refuse('policy.version_changed', `the active version is ${current || 'none'}`, { version: current });
    }
    const version = versionOf(files);
    if (state.status === 'active' && current === version && state.mode === mode) return [];
    // Checked here and not by the caller: the tools may change between a check and the command.
    const { policies, findings, ok } = checkPolicies(files, typesOf(peek<ToolSchemas>('tool_schema', subject)));
    if (!ok) throw refuse('policy.invalid', summary(findings), { findings: findings as unknown as Json });
    const activated = { type: 'policy_set.activated.v1', data: { version, mode, policies: policies.length } } as const;
    if (current === version) return [activated];
    return [
      { type: 'policy_set.pushed.v1', data: { version, files, policies: policies.length } },
      { type: 'policy_set.validated.v1', data: { version, findings } },
      activated,
    ];
  },

  evolve(state, event) {
    if (event.type !== 'policy_set.activated.v1') return state;
    const { version, mode } = event.data as { version: string; mode: PolicyMode };
    return { status: 'active', version, mode };
  },
};

/** Content hash of a set. The order of the files does not matter: neither does it to a decision. @throws DomainError `policy.too_large` */
export function versionOf(files: readonly PolicyFile[]): string {
  const bytes = files.reduce((sum, { name, text }) => sum + new TextEncoder().encode(name + text).byteLength, 0);
  if (bytes > MAX_BYTES) throw refuse('policy.too_large', `${bytes} bytes; at most ${MAX_BYTES}`, { bytes });
  // A policy ends with a semicolon. That of a comment counts as well: it must not take a parser to refuse what is too much.
  const policies = files.reduce((sum, { text }) => sum + text.split(';').length - 1, 0);
  if (policies > MAX_POLICIES)
    throw refuse('policy.too_large', `${policies} policies; at most ${MAX_POLICIES}`, { policies });
  const sorted = files
    .map(({ name, text }) => ({ name, text: text.toWellFormed() }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return digestOf(sorted);
}

function summary(findings: readonly { severity: string; file: string; message: string }[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  return `${errors.length} error${errors.length === 1 ? '' : 's'}: ${first?.file ?? ''}:${first?.message ?? ''}`;
}
