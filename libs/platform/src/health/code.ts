import { createHash } from 'node:crypto';
import { toBinary, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/**
 * What all replicas of one service must have alike, in 12 characters: the API that they speak, and how they read events. Builds
 * that differ in neither look the same.
 * @param modelVersion of the partition's model; undefined where the service owns none
 */
export function codeOf(services: readonly DescService[], modelVersion: number | undefined): string {
  const hash = createHash('sha256').update(`model ${modelVersion}`);
  const files = new Map(services.map(({ file }) => [file.name, file.proto]));
  for (const [name, proto] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(name).update(toBinary(FileDescriptorProtoSchema, proto));
  return hash.digest('hex').slice(0, 12);
}
