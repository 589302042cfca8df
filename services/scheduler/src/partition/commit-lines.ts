import type { LedgerEvent } from '@writ/ledger/domain';

const lineFeed = 0x0a;
const quote = 0x22;
/** In every line it stands before the data, so what the data says of subjects comes later; inside a text its quotes are escaped. */
const mark = Buffer.from('"subject":"');

/**
 * The lines of a commit by the run that they are about. A commit holds the events of hundreds of runs: a line is decoded when
 * its run is asked for, and no other is. Who asks once searches; for those who come again the lines are put in order first.
 */
export class CommitLines {
  /** Where the lines of a subject begin. */
  private starts: Map<string, number[]> | undefined;
  private readonly body: Buffer;
  private asked = false;

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.body = Buffer.from(buffer, byteOffset, byteLength);
  }

  /** Of the body. */
  get bytes(): number {
    return this.body.length;
  }

  /** The events of a run in this commit, in their order. */
  of(tenant: string, run: string): LedgerEvent[] {
    const starts = this.asked ? (this.starts ??= this.ordered()).get(escaped(run)) : this.search(run);
    this.asked = true;
    return (starts ?? [])
      .map((start) => this.parsed(start))
      .filter((event) => event.subject === run && event.tenant === tenant);
  }

  private parsed(start: number): LedgerEvent {
    const end = this.body.indexOf(lineFeed, start);
    return JSON.parse(this.body.toString('utf8', start, end === -1 ? undefined : end)) as LedgerEvent;
  }

  private search(run: string): number[] {
    const wanted = Buffer.from(`${mark.toString()}${escaped(run)}"`);
    const starts: number[] = [];
    for (let at = this.body.indexOf(wanted); at !== -1;) {
      starts.push(this.body.lastIndexOf(lineFeed, at) + 1);
      const end = this.body.indexOf(lineFeed, at);
      at = end === -1 ? -1 : this.body.indexOf(wanted, end);
    }
    return starts;
  }

  private ordered(): Map<string, number[]> {
    const { body } = this;
    const starts = new Map<string, number[]>();
    for (let start = 0, at = body.indexOf(mark); at !== -1; at = body.indexOf(mark, start)) {
      start = body.lastIndexOf(lineFeed, at) + 1;
      const from = at + mark.length;
      const subject = body.toString('utf8', from, closing(body, from));
      const known = starts.get(subject);
      if (known) known.push(start);
      else starts.set(subject, [start]);
      const end = body.indexOf(lineFeed, at);
      if (end === -1) break;
      start = end + 1;
    }
    return starts;
  }
}

/** As it stands between the quotes. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

/** Where a text ends: at a quote with an even number of backslashes before it. */
function closing(body: Buffer, from: number): number {
  for (let at = body.indexOf(quote, from); ; at = body.indexOf(quote, at + 1)) {
    let slashes = 0;
    while (body[at - 1 - slashes] === 0x5c) slashes++;
    if (slashes % 2 === 0) return at;
  }
}
