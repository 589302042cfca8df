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

/** A lane is left after this time, or when it has got so many runs. */
const [lanes, laneMs, laneRuns] = [256, 1_000, 4_000];
let lane = Math.floor(Math.random() * lanes);
let [leaveAtMs, room] = [0, 0];

/**
 * The id of a new run: it ends in a lane, `-p<two hex digits>`. Runs of the same lane live in the same partition, so what is started together is
 * committed together; another lane is taken every second, so that in the long run all partitions have their share.
 */
export function newRunId(): string {
  const now = Date.now();
  if (now >= leaveAtMs || room === 0) [lane, leaveAtMs, room] = [(lane + 1) % lanes, now + laneMs, laneRuns];
  room--;
  return `${newId('run')}-p${lane.toString(16).padStart(2, '0')}`;
}
