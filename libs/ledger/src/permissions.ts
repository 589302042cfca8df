import { partitionsOf, streamName } from './domain/partitioning.js';

/**
 * What the broker must refuse to the credentials of Writ's services, as the `permissions` of a NATS user: `deny_delete` and
 * `deny_purge` do not stop an update of the stream's limits, which trims it. Streams are made with these credentials, and
 * only an operator's may change or remove them.
 */
export function servicePermissions(): { publish: { deny: string[] } } {
  const ledgers = Object.entries(partitionsOf).flatMap(([service, partitions]) =>
    Array.from({ length: partitions }, (_, partition) => streamName(service, partition)),
  );
  return {
    publish: {
      deny: [
        '$JS.API.STREAM.UPDATE.>',
        '$JS.API.STREAM.DELETE.>',
        '$JS.API.STREAM.RESTORE.>',
        '$JS.API.STREAM.MSG.DELETE.>',
        // Buckets are purged of old snapshots, so this cannot be denied as a whole.
        ...ledgers.map((stream) => `$JS.API.STREAM.PURGE.${stream}`),
      ],
    },
  };
}
