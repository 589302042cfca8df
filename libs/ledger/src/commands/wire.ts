import { deeperThan, deepest, tooDeep } from '../domain/depth.js';
import type { Command, Json, LedgerEvent } from '../domain/events.js';
import { DomainError, refuse } from '../domain/refusals.js';
import type { Answer } from '../owner/answer.js';

/**
 * What travels on `command.<service>.<pp>`: `ping`, or commands as NDJSON. What comes back is one or more messages, each of
 * lines `<index of the command> <answer or refusal as JSON>`, until every command has its line.
 */
export const ping = 'ping';
export const pong = 'pong';

export interface WireAnswer {
  position: string;
  duplicate: boolean;
  events: LedgerEvent[];
  refusal?: undefined;
}

interface WireRefusal {
  refusal: { code: string; detail: string; details: Record<string, Json> };
}

/** The events are not encoded again: they are the very lines of the commit. */
export function encodeAnswer(answer: Answer): string {
  return `{"position":"${answer.position}","duplicate":${answer.duplicate},"events":[${answer.lines.join(',')}]}`;
}

export function encodeRefusal({ code, message, details }: DomainError): string {
  return JSON.stringify({ refusal: { code, detail: message, details } } satisfies WireRefusal);
}

/** @throws DomainError the refusal that came back */
export function decodeAnswer(text: string): WireAnswer {
  const answer = JSON.parse(text) as WireAnswer | WireRefusal;
  if (answer.refusal) throw new DomainError(answer.refusal.code, answer.refusal.detail, answer.refusal.details);
  return answer;
}

/** Calls back with each line of a reply. */
export function splitAnswers(text: string, take: (index: number, answer: string) => void): void {
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    take(Number(line.slice(0, space)), line.slice(space + 1));
  }
}

const fields = ['id', 'tenant', 'aggregate', 'subject'] as const;
const longestField = 256;

/** @throws DomainError `ledger.unknown_command` when it is not a command */
export function decodeCommand(text: string): Command {
  let command: Partial<Command>;
  try {
    command = (JSON.parse(text) ?? {}) as Partial<Command>;
  } catch {
    throw refuse('ledger.unknown_command', 'the command is not JSON');
  }
  for (const field of fields) {
    const value = command[field];
    if (typeof value !== 'string' || value === '' || value.length > longestField)
      throw refuse(
        'ledger.unknown_command',
        `the command's ${field} must be a text of 1 to ${longestField} characters`,
      );
  }
  if (typeof command.command?.type !== 'string') throw refuse('ledger.unknown_command', 'the command has no type');
  if (deeperThan(command.command, deepest)) throw tooDeep(`the command '${command.command.type}'`);
  if (typeof command.actor?.principal !== 'string') throw refuse('ledger.unknown_command', 'the command has no actor');
  return command as Command;
}
