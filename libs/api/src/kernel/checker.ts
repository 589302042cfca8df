import { createRegistry, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator } from '@bufbuild/protovalidate';
import { invalid } from '../errors/failure.js';

/**
 * Holds a part of a request to the rules of its message, where the request leaves that to the service (`ignore: IGNORE_ALWAYS`) so that
 * one part does not spoil the others. What it gives throws DomainError `request.invalid`.
 */
export function checkerOf<D extends DescMessage>(schema: D): (part: MessageShape<D>) => void {
  const validator = createValidator({ registry: createRegistry(schema.file) });
  return (part) => {
    const result = validator.validate(schema, part);
    if (result.kind === 'error') throw result.error;
    if (result.kind === 'invalid')
      throw invalid(result.violations.map(({ field, message }) => ({ field: pathToString(field), detail: message })));
  };
}
