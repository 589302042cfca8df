import type { Key } from '../demo/rest.js';
import { Rest } from '../demo/rest.js';

/** One tenant of the fixture, with the keys of those who act in it. */
export interface Tenant {
  readonly id: string;
  readonly person: Key;
  readonly agent: Key;
  /** Revoked before the folder was closed. */
  readonly revoked: Key;
}

/** What stands in the fixture beside the data folder: who is in it, and what its API answered before it was closed. */
export interface History {
  readonly writtenBy: string;
  readonly tenants: readonly Tenant[];
  /** Answers of the API by person and path. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** A bundle of proofs, and the verifier key of the log that signed its checkpoint. */
  readonly bundle: string;
  readonly verifierKey: string;
  /** A checkpoint that somebody kept. */
  readonly checkpoint: string;
}

/** Ids of the runs: the same in both tenants, on purpose. */
export const runs = {
  finished: 'report-1',
  failed: 'fails-1',
  cancelled: 'nap-2',
  sleeping: 'nap-1',
  waiting: 'refund-waits',
  asking: 'refund-asks',
} as const;

/** What must read the same with later code. Of one that changes by itself (the state of a connection), only what stays. */
export const paths = [
  '/v1/people',
  '/v1/agents',
  '/v1/revocations',
  '/v1/policies',
  '/v1/policies/versions',
  '/v1/approvals',
  '/v1/artifacts',
  '/v1/sandboxes',
  '/v1/tools',
  '/v1/memory?scope=reports/all',
  '/v1/memory?scope=notes/all',
  '/v1/runs',
  ...Object.values(runs).map((id) => `/v1/runs/${id}`),
  '/v1/audit/events?page_size=1000&ascending=true',
];

/** Everything that `paths` says, as each tenant's person reads it. */
export async function readAll(url: string, tenants: readonly Tenant[]): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const { id, person } of tenants) {
    const rest = new Rest(url, person);
    for (const path of paths) answers[`${id} ${path}`] = await rest.get(path);
  }
  return answers;
}
