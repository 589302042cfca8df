/** A body may hold so many values. Each costs far more than its bytes: four megabytes of `1,` would be three seconds of work. */
export const mostValues = 100_000;

const [quote, backslash, comma] = Buffer.from('"\\,') as unknown as number[];

/** Whether a JSON text lists more than {@link mostValues}, told without parsing it. */
export function isTooWide(json: Uint8Array): boolean {
  // The shortest value and its comma are two bytes.
  if (json.length < 2 * mostValues) return false;
  let commas = 0;
  for (let at = 0, inText = false; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) inText = !inText;
    else if (inText) at += byte === backslash ? 1 : 0;
    else if (byte === comma && ++commas >= mostValues) return true;
  }
  return false;
}
