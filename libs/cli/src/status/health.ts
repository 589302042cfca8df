import type { ApiClient } from '../api/client.js';

/** A view or a reactor on one partition. */
export interface ConsumerHealth {
  readonly name: string;
  readonly partition: number;
  /** Commits it is behind. */
  readonly lag: number;
  /** Why it stands still. */
  readonly parked?: string;
}

/** What one replica says of itself; of `GET /health/services`. */
export interface ReplicaHealth {
  readonly service: string;
  readonly replica: string;
  readonly ready: boolean;
  readonly draining?: boolean;
  readonly durability?: 'fsync' | 'flush';
  readonly nats?: { readonly ok: boolean; readonly version?: string; readonly error?: string };
  readonly postgres?: { readonly ok: boolean; readonly latencyMs?: number; readonly error?: string };
  readonly ownership?: {
    readonly ok: boolean;
    readonly partitions?: readonly { readonly partition?: number; readonly state?: string; readonly detail?: string }[];
    readonly projections?: readonly ConsumerHealth[];
    readonly reactors?: readonly ConsumerHealth[];
  };
  /** `revocationAgeMs` is null where nothing was heard of identity yet. */
  readonly enforcement?: { readonly ok: boolean; readonly revocationAgeMs: number | null };
  /** Of audit: what its last look at the whole ledger found. */
  readonly integrity?: { readonly problems: readonly string[]; readonly time: string };
  /** The same for all replicas of a service that speak one API and read events alike. */
  readonly code?: string;
  readonly checks?: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
  readonly error?: string;
}

/** Every replica of every service. @throws Refused `service.unavailable` */
export async function healthOf(api: ApiClient): Promise<ReplicaHealth[]> {
  const response = await api.fetch('/health/services');
  const body = (await response.json().catch(() => ({}))) as { services?: ReplicaHealth[] };
  return body.services ?? [];
}

/** Why a replica is not ready, in a few words. */
export function troubleOf(health: ReplicaHealth): string {
  if (health.error !== undefined) return health.error;
  const { nats, postgres, ownership, enforcement, draining, checks = {} } = health;
  const failing = Object.entries(checks).flatMap(([name, { ok, detail }]) =>
    ok ? [] : [`${name}: ${detail ?? 'no'}`],
  );
  return [
    ...(draining ? ['is shutting down'] : []),
    ...(nats?.ok === false ? [`nats: ${nats.error ?? 'no answer'}`] : []),
    ...(postgres?.ok === false ? [`postgres: ${postgres.error ?? 'no answer'}`] : []),
    ...(ownership?.ok === false ? ['partitions without an owner, or a projection that is parked'] : []),
    ...(enforcement?.ok === false
      ? [`it refuses everything: ${ageOf(health) || 'nothing was heard of identity'}`]
      : []),
    ...failing,
  ].join('; ');
}

/** How long ago this replica was last told that it knows every revocation. */
export function ageOf({ enforcement }: ReplicaHealth): string {
  const age = enforcement?.revocationAgeMs;
  return typeof age === 'number' ? `revocations ${age} ms old` : '';
}

/** A sentence for each service whose replicas are not of one version: they may answer, and read events, in two ways. */
export function mixedCode(all: readonly ReplicaHealth[]): string[] {
  const services = Map.groupBy(all, ({ service }) => service);
  return [...services].flatMap(([service, replicas]) => {
    const told = replicas.filter(({ code }) => code !== undefined);
    if (new Set(told.map(({ code }) => code)).size < 2) return [];
    return [
      `the replicas of ${service} are not of one version: ${told.map(({ replica, code }) => `${replica} ${code}`).join(', ')}`,
    ];
  });
}
