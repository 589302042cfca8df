import { sha256 } from '@noble/hashes/sha2.js';
import { inLane, lanes } from './lanes.js';

/** What an id is of. The list is open: a service may have a kind of its own. */
export type IdPrefix =
  | 'agt' | 'psn' | 'tnt' | 'run' | 'sbx' | 'art' | 'evt' | 'cmd' | 'apr' | 'mem' | 'dec' | 'srv' | 'key' | 'act' | 'snp'
  | (string & {}); // prettier-ignore

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const pool = new Uint8Array(8 * 512);
let poolAt = pool.length;
let lastMs = 0;
let counter = 0;

/**
 * A new `${prefix}_${UUIDv7}` (RFC 9562 section 5.7). Ids made by one process sort in the order in which they were made:
 * the 12 bits after the time are a counter (method 1 of section 6.2).
 */
export function newId(prefix: IdPrefix): string {
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    counter = 0;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  if (poolAt === pool.length) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  const time = lastMs.toString(16).padStart(12, '0');
  const low = counter.toString(16).padStart(3, '0');
  const at = poolAt;
  poolAt += 8;
  const h = (i: number) => hex[pool[at + i] as number] as string;
  const variant = hex[((pool[at] as number) & 0x3f) | 0x80] as string;
  return `${prefix}_${time.slice(0, 8)}-${time.slice(8)}-7${low}-${variant}${h(1)}-${h(2)}${h(3)}${h(4)}${h(5)}${h(6)}${h(7)}`;
}

/** A lane is left after this time, or when it has got so many: who starts more than that in a second keeps several owners busy. */
const laneMs = 1_000;
const laneIds = 4_000;
/** Each process begins somewhere else, so that many of them use all partitions. */
let lane = Math.floor(Math.random() * lanes);
let leaveAtMs = 0;
let room = 0;

/**
 * A new id that ends in a lane: at any moment they live in one partition, whose commits then hold many events each (one
 * write to the disk costs as much as a hundred of them), and over some seconds in all.
 */
export function newLanedId(prefix: 'run'): string {
  const now = Date.now();
  if (now >= leaveAtMs || room === 0) {
    lane = (lane + 1) % lanes;
    leaveAtMs = now + laneMs;
    room = laneIds;
  }
  room--;
  return inLane(newId(prefix), lane);
}

/**
 * The same id for the same parts: `${prefix}_${UUIDv8}` (RFC 9562 section 5.8) of a SHA-256 over the parts.
 * A reactor derives its command ids from event ids with it, so that a repeat is the same command.
 */
export function derivedId(prefix: IdPrefix, ...parts: string[]): string {
  // Lengths keep ('ab', 'c') and ('a', 'bc') apart.
  const text = parts.map((part) => `${part.length}:${part}`).join('');
  const digest = sha256(new TextEncoder().encode(text));
  digest[6] = ((digest[6] as number) & 0x0f) | 0x80;
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
  let out = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) out += '-';
    out += hex[digest[i] as number];
  }
  return `${prefix}_${out}`;
}
