import { createHash, type webcrypto } from 'node:crypto';

/** Random bytes that depend on the seed alone: SHA-256 over seed and counter. Even, but known to whoever knows the run's id. */
class SeededBytes {
  #counter = 0;
  #block: Uint8Array = new Uint8Array();
  constructor(private readonly seed: string) {}

  fill(target: Uint8Array): void {
    for (let filled = 0; filled < target.length;) {
      if (this.#block.length === 0)
        this.#block = createHash('sha256').update(`${this.seed}\n${this.#counter++}`).digest();
      const part = this.#block.subarray(0, target.length - filled);
      target.set(part, filled);
      filled += part.length;
      this.#block = this.#block.subarray(part.length);
    }
  }
}

/** The part of WebCrypto that a workflow may use; the same run gets the same values in every replay. Another seed begins another sequence. */
export function seededCrypto(seed: () => string): Pick<webcrypto.Crypto, 'randomUUID' | 'getRandomValues'> {
  let [of, random] = ['', new SeededBytes('')];
  const fill = (target: Uint8Array) => {
    if (of !== seed()) random = new SeededBytes(`writ.run/1\n${(of = seed())}`);
    random.fill(target);
  };
  return {
    getRandomValues(array) {
      if (ArrayBuffer.isView(array)) fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      return array;
    },
    randomUUID() {
      const bytes = new Uint8Array(16);
      fill(bytes);
      bytes[6] = (bytes[6]! & 0x0f) | 0x40; // version 4
      bytes[8] = (bytes[8]! & 0x3f) | 0x80; // variant of RFC 9562
      const hex = Buffer.from(bytes).toString('hex');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
}
