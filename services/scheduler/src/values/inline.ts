/** Larger values are not written into the ledger; a reference is. */
export const maxInlineBytes = 64 * 1024;
/** What nests deeper is put aside as well: an event is read by programs that go 100 deep and no further. */
export const maxInlineDepth = 32;

/**
 * Whether a value may stand in an event as it is: small, flat enough, and of Unicode that has one canonical form. An
 * escaped surrogate may be half of a pair, which has none; where it is not, nothing is lost by putting it aside.
 *
 * @param json the text of a value, not checked to be JSON
 */
export function fitsInline(json: Uint8Array): boolean {
  return json.length <= maxInlineBytes && !escapedSurrogate.test(textOf(json)) && depthOf(json) <= maxInlineDepth;
}

const escapedSurrogate = /\\u[dD][89a-fA-F]/;

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}

const [quote, backslash, bracket, brace, closedBracket, closedBrace] = Buffer.from('"\\[{]}') as unknown as number[];

function depthOf(json: Uint8Array): number {
  let [depth, deepest, inText] = [0, 0, false];
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) inText = !inText;
    else if (inText) at += byte === backslash ? 1 : 0;
    else if (byte === bracket || byte === brace) deepest = Math.max(deepest, ++depth);
    else if (byte === closedBracket || byte === closedBrace) depth--;
  }
  return deepest;
}
