import type { Message } from '@bufbuild/protobuf';
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';

/**
 * The REST form of a generated message (the proto3 JSON mapping), as a type alone: nothing generated is loaded for it.
 * 64-bit numbers, times, durations, bytes and enums are strings. A `oneof` is the union of its fields, which this does not
 * express; whoever reads one says so.
 */
export type Json<T> = T extends Timestamp | Duration | Uint8Array | bigint
  ? string
  : T extends number
    ? `${number}` extends `${T}`
      ? number
      : string // an enum
    : T extends readonly (infer E)[]
      ? Json<E>[]
      : T extends Message
        ? Fields<T>
        : T;

type Fields<T> = { [K in keyof T as K extends '$typeName' | '$unknown' ? never : K]: Json<T[K]> };
