import { createRegistry, toBinary, type DescExtension, type DescFile, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status as Code } from '@grpc/grpc-js';
import { ServerReflection, type ServerReflectionRequest } from '@writ/proto/grpc/reflection/v1/reflection';
import {
  ServerReflection as ServerReflectionAlpha,
  type ServerReflectionRequest as AlphaRequest,
} from '@writ/proto/grpc/reflection/v1alpha/reflection';
import type { ServiceImplementation } from '../kernel/implementation.js';

type Request = ServerReflectionRequest | AlphaRequest;
type Answer =
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

/**
 * `grpc.reflection.v1` and `v1alpha` from the generated descriptors. Custom options are kept (they are in the bytes), so
 * a client sees paths, rules and required capabilities.
 *
 * @param services called for each request: the list may grow (the gateway learns of services as they announce themselves).
 */
export function reflectionServices(services: () => readonly DescService[]): {
  v1: ServiceImplementation<typeof ServerReflection>;
  v1alpha: ServiceImplementation<typeof ServerReflectionAlpha>;
} {
  async function* serverReflectionInfo<R extends Request>(requests: AsyncIterable<R>) {
    for await (const originalRequest of requests)
      yield { validHost: originalRequest.host, originalRequest, messageResponse: answer(originalRequest, services()) };
  }
  return { v1: { serverReflectionInfo }, v1alpha: { serverReflectionInfo } };
}

function answer({ messageRequest: asked }: Request, services: readonly DescService[]): Answer {
  const files = withDependencies(services.map((each) => each.file));
  switch (asked.case) {
    case 'listServices': {
      const service = services.map((each) => ({ name: each.typeName }));
      return { case: 'listServicesResponse', value: { service } };
    }
    case 'fileByFilename':
      return fileAnswer(
        files.find((file) => file.proto.name === asked.value),
        asked.value,
      );
    case 'fileContainingSymbol':
      return fileAnswer(
        files.find((file) => declares(file, asked.value)),
        asked.value,
      );
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = asked.value;
      const found = extensionsOf(files, containingType).find((each) => each.number === extensionNumber);
      return fileAnswer(found?.file, `extension ${extensionNumber} of ${containingType}`);
    }
    case 'allExtensionNumbersOfType': {
      const extensionNumber = extensionsOf(files, asked.value).map((each) => each.number);
      return { case: 'allExtensionNumbersResponse', value: { baseTypeName: asked.value, extensionNumber } };
    }
    default:
      return { case: 'errorResponse', value: { errorCode: Code.INVALID_ARGUMENT, errorMessage: 'nothing was asked' } };
  }
}

function fileAnswer(file: DescFile | undefined, what: string): Answer {
  if (!file)
    return { case: 'errorResponse', value: { errorCode: Code.NOT_FOUND, errorMessage: `${what} is not known here` } };
  const fileDescriptorProto = withDependencies([file]).map((each) => toBinary(FileDescriptorProtoSchema, each.proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

/** The files and all that they import, each once, the asked ones first. */
function withDependencies(files: readonly DescFile[]): DescFile[] {
  const found = new Map<string, DescFile>();
  const visit = (file: DescFile) => {
    if (found.has(file.proto.name)) return;
    found.set(file.proto.name, file);
    file.dependencies.forEach(visit);
  };
  files.forEach(visit);
  return [...found.values()];
}

function declares(file: DescFile, symbol: string): boolean {
  for (const type of createRegistry(file)) {
    if (type.typeName === symbol) return true;
    if (!symbol.startsWith(`${type.typeName}.`)) continue;
    const member = symbol.slice(type.typeName.length + 1);
    const members =
      type.kind === 'service'
        ? type.methods
        : type.kind === 'message'
          ? type.fields
          : type.kind === 'enum'
            ? type.values
            : [];
    if (members.some((each) => each.name === member)) return true;
  }
  return false;
}

function extensionsOf(files: readonly DescFile[], typeName: string): DescExtension[] {
  return files.flatMap((file) => file.extensions).filter((each) => each.extendee.typeName === typeName);
}
