import type { DescMethod } from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;

/**
 * A grpc-js method that passes bytes through: we decode after the caller was admitted (grpc-js itself would decode
 * first, and answer INTERNAL to malformed bytes of anyone).
 */
export function byteMethod(desc: DescMethod): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${desc.parent.typeName}/${desc.name}`,
    requestStream: desc.methodKind === 'client_streaming' || desc.methodKind === 'bidi_streaming',
    responseStream: desc.methodKind === 'server_streaming' || desc.methodKind === 'bidi_streaming',
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
    originalName: desc.localName,
  };
}
