import type { Logger } from '../ledger.js';

/** A logger that keeps what it is told. */
export class CollectedLog implements Logger {
  readonly entries: { level: string; message: string; fields: object }[] = [];
  readonly debug = this.at('debug');
  readonly info = this.at('info');
  readonly warn = this.at('warn');
  readonly error = this.at('error');

  has(message: string): boolean {
    return this.entries.some((entry) => entry.message === message);
  }

  private at(level: string) {
    return (fields: object, message: string): void => void this.entries.push({ level, message, fields });
  }
}
