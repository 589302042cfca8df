import { syscallNumber, type Architecture, type Syscall } from '../seccomp/syscalls.js';
import { PROGRAM_BASE, PROGRAM_MAX_BYTES } from './image.js';

const HEADER_BYTES = 16;
const CALL_BYTES = 80;
/** Where a call keeps, after its number and arguments, the address for its result, for a result above zero, for a failure. */
const RESULT_AT = 56;
const POSITIVE_AT = 64;
const FAILURE_AT = 72;

/** Something in the data of a program, by its offset; the address is known when the program is assembled. */
export interface Data {
  readonly data: number;
}
/** The result of an earlier call. It may be used once; `dup3` gives a descriptor a fixed number for more. */
export interface Result {
  readonly resultOf: number;
}
/** A plain address, for what lies outside of this program. */
export interface Absolute {
  readonly address: number;
}
export type Argument = number | bigint | Data | Result | Absolute;

/** A place among the calls. It may be named before it is reached. */
export type Place = { index: number | undefined } | Absolute;

interface Call {
  readonly name: Syscall;
  readonly args: readonly Argument[];
  failure: Place | undefined;
  positive?: Place;
  storedAt?: Data;
}

/** One call of a program, to say what follows it. */
export class Step {
  constructor(
    private readonly call: Call,
    private readonly index: number,
  ) {}

  /** When this fails, the program goes on as if it had not been there. */
  orContinue(): this {
    this.call.failure = { index: this.index + 1 };
    return this;
  }

  /** When the result is greater than zero, the program goes on there. */
  thenIfPositive(place: Place): this {
    this.call.positive = place;
    return this;
  }

  /** The result also goes into the data, as 64 bits. */
  storedAt(place: Data): this {
    this.call.storedAt = place;
    return this;
  }

  get result(): Result {
    return { resultOf: this.index };
  }
}

/** What the launcher reads, and how to name a call by the address that a failure reports. */
export interface Assembled {
  readonly bytes: Uint8Array;
  callAt(address: number): Syscall | undefined;
  /** The texts that the call was given, for people: `/dev/loop7 /run/writ/stage/disk ext4`. */
  textsAt(address: number): string;
}

/** A list of system calls with their data, for the launcher to perform. Strings end in NUL, structures are the kernel's. */
export class Program {
  private readonly calls: Call[] = [];
  private readonly chunks: Uint8Array[] = [];
  private readonly pointers: { at: number; target: Data | Absolute }[] = [];
  private readonly known = new Map<number, string>();
  private dataBytes = 0;
  private failure: Place | undefined;

  constructor(readonly architecture: Architecture) {}

  /** Adds a call. A failure of it ends the process with 125 unless `onFailure` or the step says otherwise. */
  call(name: Syscall, ...args: Argument[]): Step {
    if (syscallNumber(name, this.architecture) === undefined)
      throw new RangeError(`${this.architecture} has no ${name}`);
    const call: Call = { name, args, failure: this.failure };
    this.calls.push(call);
    return new Step(call, this.calls.length - 1);
  }

  /** Where the calls added from now on go when they fail. */
  onFailure(place: Place | undefined): void {
    this.failure = place;
  }

  /** Goes on there. There is no such call; `getpid` is always positive. */
  goTo(place: Place): void {
    this.call('getpid').thenIfPositive(place);
  }

  here(): Place {
    return { index: this.calls.length };
  }

  /** Fixes a place that was named before. */
  reach(place: { index: number | undefined }): void {
    place.index = this.calls.length;
  }

  bytes(content: Uint8Array): Data {
    const padded = new Uint8Array((content.length + 7) & ~7);
    padded.set(content);
    this.chunks.push(padded);
    const at = this.dataBytes;
    this.dataBytes += padded.length;
    return { data: at };
  }

  /** Throws on a string with a NUL, which would end early on the other side. */
  text(value: string): Data {
    if (value.includes('\0')) throw new RangeError('a NUL character cannot be passed to the system');
    const place = this.bytes(Buffer.from(`${value}\0`));
    this.known.set(place.data, value);
    return place;
  }

  /** Little-endian 64-bit numbers and addresses. */
  words(...values: Argument[]): Data {
    const place = this.bytes(new Uint8Array(8 * values.length));
    const chunk = this.chunks.at(-1) as Uint8Array;
    const view = new DataView(chunk.buffer);
    values.forEach((value, index) => {
      if (typeof value === 'number' || typeof value === 'bigint')
        view.setBigInt64(index * 8, BigInt.asIntN(64, BigInt(value)), true);
      else if ('resultOf' in value) throw new Error('a result can only be an argument');
      else this.pointers.push({ at: place.data + index * 8, target: value });
    });
    return place;
  }

  /** Zeroes, for the kernel to write into. */
  room(bytes: number): Data {
    return this.bytes(new Uint8Array(bytes));
  }

  /** A NULL-terminated array of strings, as execve takes it. */
  texts(values: readonly string[]): Data {
    return this.words(...values.map((value) => this.text(value)), 0);
  }

  /** The bytes of the program for this address. At `PROGRAM_BASE` they begin with the header that the launcher reads. */
  assemble(base: number = PROGRAM_BASE): Assembled {
    const start = base === PROGRAM_BASE ? HEADER_BYTES : 0;
    const dataStart = start + this.calls.length * CALL_BYTES;
    const total = dataStart + this.dataBytes;
    if (base + total > PROGRAM_BASE + PROGRAM_MAX_BYTES)
      throw new RangeError(`a program of ${total} bytes is too large`);
    const bytes = Buffer.alloc(total);
    if (start > 0) bytes.writeBigUInt64LE(BigInt(total), 0);
    const addressOf = (target: Data | Absolute | Place): bigint => {
      if ('address' in target) return BigInt(target.address);
      if ('data' in target) return BigInt(base + dataStart + target.data);
      if (target.index === undefined) throw new Error('a place in the program was never reached');
      return BigInt(base + start + target.index * CALL_BYTES);
    };
    let offset = dataStart;
    for (const chunk of this.chunks) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    for (const { at: place, target } of this.pointers) bytes.writeBigUInt64LE(addressOf(target), dataStart + place);
    const results = new Map<number, bigint>();
    this.calls.forEach((call, index) =>
      this.encode(bytes, call, start + index * CALL_BYTES, base, addressOf, results, index),
    );
    for (const [index, address] of results) bytes.writeBigUInt64LE(address, start + index * CALL_BYTES + RESULT_AT);
    const at = (address: number): Call | undefined => this.calls[(address - base - start) / CALL_BYTES];
    return {
      bytes,
      callAt: (address) => at(address)?.name,
      textsAt: (address) =>
        (at(address)?.args ?? [])
          .flatMap((argument) =>
            typeof argument === 'object' && 'data' in argument ? (this.known.get(argument.data) ?? []) : [],
          )
          .join(' '),
    };
  }

  private encode(
    bytes: Buffer,
    call: Call,
    offset: number,
    base: number,
    addressOf: (target: Data | Absolute | Place) => bigint,
    results: Map<number, bigint>,
    index: number,
  ): void {
    const keep = (of: number, address: bigint): void => {
      if (results.has(of)) throw new Error(`the result of call ${of} is used twice`);
      results.set(of, address);
    };
    bytes.writeBigUInt64LE(BigInt(syscallNumber(call.name, this.architecture) ?? -1), offset);
    call.args.forEach((argument, position) => {
      const slot = offset + 8 + 8 * position;
      if (typeof argument === 'number' || typeof argument === 'bigint')
        bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(argument)), slot);
      else if ('resultOf' in argument) keep(argument.resultOf, BigInt(base + slot));
      else bytes.writeBigUInt64LE(addressOf(argument), slot);
    });
    if (call.storedAt !== undefined) keep(index, addressOf(call.storedAt));
    if (call.positive !== undefined) bytes.writeBigUInt64LE(addressOf(call.positive), offset + POSITIVE_AT);
    if (call.failure !== undefined) bytes.writeBigUInt64LE(addressOf(call.failure), offset + FAILURE_AT);
  }
}
