/** The head of a CGI answer (RFC 3875, section 6): `Status: 200 OK` and headers, then an empty line. */
export interface CgiHead {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What came after the empty line already. */
  readonly rest: Buffer;
}

const MAX_HEAD_BYTES = 16 * 1024;

/** Reads the head from what has arrived so far; `undefined` while it is not complete. Throws when there is none. */
export function readCgiHead(received: Buffer): CgiHead | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) {
    if (received.length > MAX_HEAD_BYTES) throw new Error('the answer has no head');
    return undefined;
  }
  let status = 200;
  const headers: [string, string][] = [];
  for (const line of received.toString('latin1', 0, end).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`'${line.slice(0, 80)}' is not a header`);
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number.parseInt(value, 10);
    else headers.push([name, value]);
  }
  return { status, headers, rest: received.subarray(end + 4) };
}
