import { toJson, type DescMessage, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import type { HttpBinding } from '../contract/contract.js';
import type { Kernel, Served } from '../kernel/kernel.js';

/**
 * Writes answers of one binding in the proto3 JSON mapping. Fields without presence are always written (an empty list
 * is `[]`, not missing): clients without a generated type need not know the defaults.
 */
export class AnswerWriter {
  private readonly output: DescMessage;
  private readonly field: string | undefined;
  private readonly cursorField: string | undefined;

  constructor(
    private readonly kernel: Kernel,
    served: Served,
    binding: HttpBinding,
  ) {
    this.output = served.contract.desc.output;
    this.field = this.output.fields.find((each) => each.name === binding.responseBody)?.jsonName;
    this.cursorField = this.output.fields.find((each) => each.name === 'cursor')?.jsonName;
  }

  /** @param value the fields that the handler answered with. */
  json(value: unknown): JsonValue {
    const message = this.kernel.complete(this.output, value);
    const json = toJson(this.output, message, {
      alwaysEmitImplicit: true,
      registry: this.kernel.registry,
    }) as JsonObject;
    return this.field === undefined ? json : (json[this.field] ?? null);
  }

  /** The answer's `cursor`, for `id:` of a server-sent event: a reader that comes back sends it as `Last-Event-ID`. */
  cursor(json: JsonValue): string | undefined {
    if (this.cursorField === undefined || json === null || typeof json !== 'object' || Array.isArray(json))
      return undefined;
    const cursor = json[this.cursorField];
    return typeof cursor === 'string' && cursor !== '' ? cursor : undefined;
  }
}
