import { createHash } from 'node:crypto';
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';

/** A set of streams that share their limits: one JetStream stream. */
export interface StreamSpace {
  /** Of the JetStream stream, such as `DELTAS`. */
  readonly name: string;
  /** First token of its subjects, such as `deltas`. What was stored is told on `<subject>-live`. */
  readonly subject: string;
  /** 0: for ever. */
  readonly maxAgeMs: number;
  /** Of all its streams together. */
  readonly maxBytes: number;
  /** When there is no room: drop the oldest records, or refuse new ones. */
  readonly full: 'drop' | 'refuse';
}

/** The subject of one stream. Names are hashed: they may hold what a subject may not. */
export function subjectOf(space: StreamSpace, tenant: string, name: string): string {
  return `${space.subject}.${token(tenant)}.${token(name)}`;
}

/** Where what was stored in a stream is told, by the subject of the stream. */
export function liveSubject(space: StreamSpace, subject: string): string {
  return `${space.subject}-live${subject.slice(space.subject.length)}`;
}

/** @param replicas copies in a cluster */
export function spaceConfig(space: StreamSpace, replicas: number): Partial<StreamConfig> & { name: string } {
  return {
    name: space.name,
    subjects: [`${space.subject}.>`],
    // What is stored is told with its sequence and the one before it on the same subject: live readers need no consumer.
    republish: { src: `${space.subject}.>`, dest: `${space.subject}-live.>` },
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: space.full === 'drop' ? DiscardPolicy.Old : DiscardPolicy.New,
    allow_direct: true,
    deny_delete: true,
    max_age: space.maxAgeMs * 1e6,
    max_bytes: space.maxBytes,
    max_msgs: -1,
    num_replicas: replicas,
  };
}

const token = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);
