import type { LoggerService } from '@nestjs/common';
import type { Caller } from '@writ/api';
import { pino, type DestinationStream, type Logger } from 'pino';

/** Names whose values are never written, wherever they stand in the first two levels of a line. */
const secrets = [
  'authorization',
  'token',
  'rawToken',
  'password',
  'pass',
  'secret',
  'jwk',
  'client_assertion',
  'payload',
  'arguments',
];

/**
 * Structured lines on stderr (stdout belongs to the one line that says where a process listens). Payloads and secrets do
 * not belong into a line; the names that usually carry them are struck out all the same.
 */
export function openLog(
  fields: { service: string; replica: string },
  level: string,
  destination?: DestinationStream,
): Logger {
  const options = {
    level,
    base: fields,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
  };
  return pino(options, destination ?? pino.destination({ fd: 2, sync: true }));
}

/** The fields by which the lines of one call are found: who, for which tenant and run, under which trace. */
export function callFields(caller: Pick<Caller, 'tenant' | 'principal' | 'run' | 'trace' | 'requestId'>): object {
  const { tenant, principal, run, trace, requestId } = caller;
  return { tenant, principal, requestId, ...(run && { run }), ...(trace && { trace }) };
}

/** Nest's own lines, in the same form; what Nest says about its start is only of use when it fails. */
export function nestLog(log: Logger): LoggerService {
  const line =
    (level: 'debug' | 'warn' | 'error' | 'fatal') =>
    (message: unknown, ...rest: unknown[]) => {
      const context = rest.pop();
      log[level]({ context, ...(message instanceof Error && { err: message }) }, String(message));
    };
  return {
    log: line('debug'),
    verbose: line('debug'),
    debug: line('debug'),
    warn: line('warn'),
    error: line('error'),
    fatal: line('fatal'),
  };
}
