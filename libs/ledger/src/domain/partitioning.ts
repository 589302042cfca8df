import { laneOf } from './lanes.js';

/** How many partitions each service has. It is part of every id's address: changing it needs a new ledger. */
export const partitionsOf = {
  identity: 1,
  policy: 1,
  scheduler: 16,
  'sandbox-runner': 1,
  memory: 4,
  tools: 4,
  audit: 1,
} as const;

/** A service of Writ; tests may name others. */
export type ServiceName = keyof typeof partitionsOf | (string & {});

/** FNV-1a, 32 bits, over the UTF-8 bytes: the function that NATS's own `partition()` mapping uses. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return overBytes(new TextEncoder().encode(text));
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return hash >>> 0;
}

function overBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The partition that owns an aggregate, from 0: the one of its lane where its id names one, else of its hash. */
export function partitionOf(tenant: string, subject: string, partitions: number): number {
  if (partitions === 1) return 0;
  const lane = laneOf(subject);
  return (lane < 0 ? fnv1a32(`${tenant}/${subject}`) : lane) % partitions;
}

/** `07`: how a partition is written in subjects, positions and sources. */
export function partitionLabel(partition: number): string {
  return partition < 10 ? `0${partition}` : String(partition);
}

/** The JetStream stream that is this partition: `LEDGER_SANDBOX_RUNNER_00`. */
export function streamName(service: ServiceName, partition: number): string {
  return `LEDGER_${service.toUpperCase().replaceAll('-', '_')}_${partitionLabel(partition)}`;
}

/** The subject its commits are published on: `ledger.scheduler.07`. */
export function commitSubject(service: ServiceName, partition: number): string {
  return `ledger.${service}.${partitionLabel(partition)}`;
}

/** The subject its owner takes commands on: `command.scheduler.07`. */
export function commandSubject(service: ServiceName, partition: number): string {
  return `command.${service}.${partitionLabel(partition)}`;
}

/**
 * Who should own a partition: the live replica with the highest score (rendezvous hashing), so that a replica that
 * comes or goes moves only its own share. Undefined when nobody lives.
 */
export function preferredOwner(
  service: ServiceName,
  partition: number,
  replicas: Iterable<string>,
): string | undefined {
  let best: string | undefined;
  let bestScore = -1;
  for (const replica of replicas) {
    const score = mix(fnv1a32(`${replica}|${service}/${partition}`));
    if (score > bestScore || (score === bestScore && best !== undefined && replica < best)) {
      best = replica;
      bestScore = score;
    }
  }
  return best;
}

/** FNV's high bits hardly change with the last characters, which are all that differ here; this spreads them (MurmurHash3 finaliser). */
function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
