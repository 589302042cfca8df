import { fromJson, toJson, type JsonValue } from '@bufbuild/protobuf';
import { ValueSchema, type Value } from '@bufbuild/protobuf/wkt';
import { refuse, type Json } from '@writ/ledger/domain';
import type { Payload } from '@writ/proto/run/v1/run';
import type { Content, Failure } from '../run/run.events.js';
import type { Values } from '../values/value-store.js';
import { fitsInline } from '../values/inline.js';

/** A stored value up to this size is put into the answer. */
const inlineAnswerBytes = 2 * 1024 * 1024;

/** Reads a value that an application sends: in the SDK's codec, a reference, or plain JSON. @throws DomainError `run.bad_input` */
export async function readPayload(
  values: Values,
  tenant: string,
  payload: Payload | undefined,
  plain: Value | undefined,
): Promise<Content> {
  if (plain !== undefined) {
    if (payload) throw refuse('run.bad_input', 'give the value once: as data, or as plain JSON');
    return content(values, tenant, Buffer.from(JSON.stringify(toJson(ValueSchema, plain))));
  }
  if (!payload) return {};
  if (payload.blob === '') return payload.data.length === 0 ? {} : content(values, tenant, Buffer.from(payload.data));
  return { blob: { hash: payload.blob, sizeBytes: await values.size(tenant, payload.blob) } };
}

async function content(values: Values, tenant: string, json: Buffer): Promise<Content> {
  let value: Json;
  try {
    value = JSON.parse(json.toString('utf8')) as Json;
  } catch (error) {
    throw refuse('run.bad_input', `the value is not JSON: ${String(error)}`);
  }
  return fitsInline(json) ? { value } : { blob: await values.put(tenant, json) };
}

/** A value as it is given to an application. */
export async function writePayload(
  values: Values,
  tenant: string,
  { value, blob }: Content,
): Promise<{ payload?: { data: Uint8Array; blob: string }; plain?: Value }> {
  if (blob) {
    const text = await values.text(tenant, blob, inlineAnswerBytes);
    const data = text === undefined ? new Uint8Array() : Buffer.from(text);
    return { payload: { data, blob: text === undefined ? blob.hash : '' } };
  }
  if (value === undefined) return {};
  return { payload: { data: Buffer.from(JSON.stringify(value)), blob: '' }, plain: valueOf(value) };
}

const chunkBytes = 256 * 1024;

/** A large value as a stream carries it. */
export async function* pieces(content: AsyncIterable<Uint8Array>) {
  for await (const chunk of content)
    for (let from = 0; from < chunk.length; from += chunkBytes)
      yield { chunk: chunk.subarray(from, from + chunkBytes) as Uint8Array<ArrayBuffer> };
}

/** `google.protobuf.Value` of JSON. */
export function valueOf(json: Json): Value {
  return fromJson(ValueSchema, json as JsonValue);
}

export function errorOf({ code, message, details }: Failure): {
  code: string;
  message: string;
  details?: { [key: string]: JsonValue };
} {
  const object = details !== null && typeof details === 'object' && !Array.isArray(details);
  return { code, message, ...(object && { details: details as { [key: string]: JsonValue } }) };
}
