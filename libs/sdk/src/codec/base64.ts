/** Standard base64 (RFC 4648 section 4) of bytes. */
export function bytesTo(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** The bytes of standard base64; a plain `Uint8Array`, because a `Buffer` compares unequal to one. */
export function bytesFrom(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
