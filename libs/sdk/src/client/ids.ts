import { randomBytes } from 'node:crypto';

/** An id with a prefix and a UUIDv7 (RFC 9562 section 5.7): ordered by the time they were made. */
export function newId(prefix: 'run' | 'cmd' | 'spd'): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${prefix}_${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const [lanes, lanesAtOnce, laneMs] = [256, 2, 1_000];
const firstLane = Math.floor(Math.random() * lanes);
let made = 0;

/**
 * The id of a new run: it ends in a lane, `-p<two hex digits>`. Runs of the same lane live in the same partition, so what is started together is
 * committed together; every second the next lanes are taken, so that in the long run all partitions have their share.
 */
export function newRunId(): string {
  const lane = (firstLane + Math.floor(Date.now() / laneMs) * lanesAtOnce + (made++ % lanesAtOnce)) % lanes;
  return `${newId('run')}-p${lane.toString(16).padStart(2, '0')}`;
}
