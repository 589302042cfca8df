import { once } from 'node:events';
import type { Format, Globals } from '../command/globals.js';
import { fields, table, type Column } from './table.js';

/** How one body is shown: a list of things, one thing, or what a change did. */
export interface ListView<T> {
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  /** Of a row, for `-o name`. */
  name(row: T): string;
  /** Said where there is none. */
  readonly empty: string;
  /** Token of the next page. */
  readonly more?: string;
}

export interface ThingView {
  readonly name: string;
  readonly fields: readonly (readonly [string, string | number | undefined])[];
}

/** Data on stdout in the form that was asked for, talk on stderr. */
export class Printer {
  readonly format: Format;
  private readonly quiet: boolean;

  constructor(globals: Globals) {
    this.format = globals.format;
    this.quiet = globals.quiet;
  }

  /** A list; `body` is the whole answer. */
  list<T>(body: unknown, view: ListView<T>): void {
    const { rows } = view;
    if (this.format === 'json') return this.document(body);
    if (this.format === 'jsonl') return rows.forEach((row) => this.line(row));
    if (this.format === 'name') return rows.forEach((row) => this.data(`${view.name(row)}\n`));
    if (rows.length === 0) return this.say(view.empty);
    this.data(table(rows, view.columns, process.stdout));
    if (view.more) this.say(`more: --page-token ${view.more}`);
  }

  /** One thing. */
  thing(body: unknown, view: ThingView): void {
    if (this.format === 'json') return this.document(body);
    if (this.format === 'jsonl') return this.line(body);
    if (this.format === 'name') return this.data(`${view.name}\n`);
    this.data(fields(view.fields, process.stdout));
  }

  /** What a change did: the name of what it was done to on stdout, the sentence on stderr. */
  receipt(body: unknown, name: string, sentence: string): void {
    if (this.format === 'json') return this.document(body);
    if (this.format === 'jsonl') return this.line(body);
    if (name !== '') this.data(`${name}\n`);
    this.say(sentence);
  }

  /** Whether the output is for programs; then streams are one JSON document a line. */
  get machine(): boolean {
    return this.format === 'json' || this.format === 'jsonl';
  }

  document(body: unknown): void {
    this.data(`${JSON.stringify(body, undefined, 2)}\n`);
  }

  line(body: unknown): void {
    this.data(`${JSON.stringify(body)}\n`);
  }

  data(text: string | Uint8Array): void {
    process.stdout.write(text);
  }

  /** Of much: waits for whoever reads where they are slower. */
  async bytes(chunk: Uint8Array): Promise<void> {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
  }

  /** For people, on stderr; silent where the output is for programs. */
  say(sentence: string): void {
    if (!this.quiet && !this.machine) process.stderr.write(`${sentence}\n`);
  }
}
