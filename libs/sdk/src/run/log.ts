import type { Logger } from '../define/context.js';

/** One line of a workflow's or step's log. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Where lines go. */
export type LogSink = (line: LogLine) => void;

/** Writes to stderr: readable on a terminal, one JSON object a line otherwise. */
export const stderrSink: LogSink = ({ level, message, fields }) => {
  const about = Object.entries(fields);
  const text = process.stderr.isTTY
    ? `${level} ${message}${about.length > 0 ? `  ${about.map(([name, value]) => `${name}=${plain(value)}`).join(' ')}` : ''}`
    : JSON.stringify({ time: new Date().toISOString(), level, msg: message, ...fields }, (_, value: unknown) =>
        jsonable(value),
      );
  process.stderr.write(`${text}\n`);
};

const plain = (value: unknown) =>
  typeof value === 'string' ? value : JSON.stringify(value, (_, each: unknown) => jsonable(each));

function jsonable(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Error ? { ...value, name: value.name, message: value.message } : value;
}

/** A logger whose lines carry what they are about; a line is dropped unless `on` says yes at its time. */
export function logger(sink: LogSink, about: Readonly<Record<string, unknown>>, on: () => boolean): Logger {
  const at = (level: LogLine['level']) => (message: string, fields?: object) => {
    if (on()) sink({ level, message, fields: { ...about, ...fields } });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
