import { types } from 'node:util';
import { WritError } from '../errors/errors.js';
import { bytesFrom, bytesTo } from './base64.js';
import { StoredBytes, type ReadStored, type StoredAt } from './stored.js';

/**
 * Values cross the wire as JSON, and what JSON has no word for as an object with one `$` key:
 * `{"$date": "2026-11-23T00:00:00.000Z"}`, `{"$bytes": "aGk="}`, `{"$map": [[k, v]]}`, `{"$set": [v]}`, `{"$bigint": "12"}`,
 * `{"$url": "https://…"}`, `{"$stored": {"hash": "sha256:…", "sizeBytes": 3}}`, `{"$number": "NaN"}`, `{"$undefined": true}`. A user's object that has such a key itself is wrapped: `{"$object": …}`.
 * So the type that goes in is the type that comes out, and the ledger stays readable.
 */
export type Encoded = null | boolean | number | string | Encoded[] | { [key: string]: Encoded };

const maxDepth = 500;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

/**
 * The JSON of a value.
 * @throws WritError `codec.unsupported` with `details.path`, the place of what cannot be kept: `.items[3].onClick`
 */
export function encode(value: unknown): Encoded {
  return write(value, '', undefined);
}

/**
 * The value of its JSON. An unknown `$` key stays data, because callers without this SDK send plain JSON (`{"$ref": "#/a"}`).
 * @throws WritError `codec.malformed` where a tag of ours holds what it cannot
 */
export function decode(encoded: Encoded): unknown {
  return read(encoded);
}

/** UTF-8 bytes of the JSON of a value: what a frame carries. */
export function encodeBytes(value: unknown): Uint8Array {
  return utf8.encode(textOf(encode(value)));
}

/** @throws WritError `run.value_too_large` beyond what a string of this engine holds, half a GiB */
function textOf(encoded: Encoded): string {
  try {
    return JSON.stringify(encoded);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new WritError('the value has more than 512 MiB as JSON', {
      code: 'run.value_too_large',
      cause,
      hint: 'let a step give it as a stream of bytes, or in parts',
    });
  }
}

/**
 * The inverse of `encodeBytes`; no bytes are `undefined`.
 * @param read how stored bytes in it are read; without it only in a step
 */
export function decodeBytes(bytes: Uint8Array, read?: ReadStored): unknown {
  if (bytes.byteLength === 0) return undefined;
  reading = read;
  try {
    return decode(JSON.parse(fromUtf8.decode(bytes)) as Encoded);
  } finally {
    reading = undefined;
  }
}

/** While a value is decoded, which nothing interrupts. */
let reading: ReadStored | undefined;

function unsupported(path: string, what: string, hint?: string): WritError {
  return new WritError(`the value at '${path || '.'}' cannot be kept: ${what}`, {
    code: 'codec.unsupported',
    details: { path: path || '.' },
    hint: hint ?? 'return plain data: objects, arrays, strings, numbers, Date, bytes, Map, Set, bigint, URL',
  });
}

/** @param above the objects that it is in */
function write(value: unknown, path: string, above: Set<object> | undefined): Encoded {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'undefined':
      return { $undefined: true };
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? '-0' : `${value}` };
    case 'bigint':
      return { $bigint: value.toString() };
    case 'object':
      if (value === null) return null;
      return writeInside(value, path, above ?? new Set());
    default:
      throw unsupported(path, `it is a ${typeof value}`);
  }
}

function writeInside(value: object, path: string, above: Set<object>): Encoded {
  if (above.has(value)) throw unsupported(path, 'it contains itself');
  if (above.size >= maxDepth) throw unsupported(path, `it is nested more than ${maxDepth} levels deep`);
  above.add(value);
  const encoded = writeObject(value, path, above);
  above.delete(value);
  return encoded;
}

function writeObject(value: object, path: string, above: Set<object>): Encoded {
  if (Array.isArray(value)) return Array.from(value, (item, i) => write(item, `${path}[${i}]`, above));
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) throw unsupported(path, 'it is an invalid Date');
    return { $date: value.toISOString() };
  }
  if (types.isUint8Array(value)) return { $bytes: bytesTo(value) };
  if (value instanceof URL) return { $url: value.href };
  if (value instanceof StoredBytes) return { $stored: { hash: value.hash, sizeBytes: value.sizeBytes } };
  if (types.isMap(value))
    return {
      $map: [...value].map(([key, item], i) => [
        write(key, `${path}.key(${i})`, above),
        write(item, `${path}.get(${describeKey(key)})`, above),
      ]),
    };
  if (types.isSet(value)) return { $set: [...value].map((item, i) => write(item, `${path}.values(${i})`, above)) };
  return writeRecord(value, path, above);
}

function writeRecord(value: object, path: string, above: Set<object>): Encoded {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    // An object of another realm (vm, jest) has another Object.prototype, which itself has none above it.
    if (Object.getPrototypeOf(prototype) !== null)
      throw unsupported(
        path,
        `it is an instance of ${value.constructor?.name ?? 'a class'}`,
        'return its data as a plain object',
      );
  if (Object.getOwnPropertySymbols(value).length > 0) throw unsupported(path, 'it has a symbol as a key');
  const record: { [key: string]: Encoded } = {};
  for (const [key, item] of Object.entries(value)) put(record, key, write(item, path + property(key), above));
  const keys = Object.keys(record);
  return keys.length === 1 && keys[0]?.startsWith('$') ? { $object: record } : record;
}

const property = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
const describeKey = (key: unknown) =>
  typeof key === 'string' ? JSON.stringify(key) : String(typeof key === 'object' ? '…' : key);

/** `__proto__` is a key like any other in JSON, but an assignment to it is not. */
function put<T>(record: { [key: string]: T }, key: string, value: T): void {
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
}

const tags: Readonly<Record<string, (inner: Encoded) => unknown>> = {
  $undefined: () => undefined,
  $number: (inner) => Number(inner),
  $bigint: (inner) => BigInt(inner as string),
  $date: (inner) => new Date(inner as string),
  $bytes: (inner) => bytesFrom(inner as string),
  $url: (inner) => new URL(inner as string),
  $stored: (inner) => new StoredBytes(inner as object as StoredAt, reading),
  $map: (inner) => new Map((inner as Encoded[][]).map(([key, value]) => [read(key ?? null), read(value ?? null)])),
  $set: (inner) => new Set((inner as Encoded[]).map(read)),
  $object: (inner) => readRecord(inner as { [key: string]: Encoded }),
};

function read(encoded: Encoded): unknown {
  if (typeof encoded !== 'object' || encoded === null) return encoded;
  if (Array.isArray(encoded)) return encoded.map(read);
  const keys = Object.keys(encoded);
  const only = keys.length === 1 ? keys[0] : undefined;
  if (only?.startsWith('$')) {
    const tag = Object.hasOwn(tags, only) ? tags[only] : undefined;
    if (tag) return readTag(only, tag, encoded[only] ?? null);
  }
  return readRecord(encoded);
}

function readTag(name: string, tag: (inner: Encoded) => unknown, inner: Encoded): unknown {
  try {
    return tag(inner);
  } catch (cause) {
    if (WritError.is(cause)) throw cause;
    throw new WritError(`'${name}' holds what it cannot: ${JSON.stringify(inner)?.slice(0, 80)}`, {
      code: 'codec.malformed',
      cause,
    });
  }
}

function readRecord(encoded: { [key: string]: Encoded }): unknown {
  const record: { [key: string]: unknown } = {};
  for (const [key, item] of Object.entries(encoded)) put(record, key, read(item));
  return record;
}
