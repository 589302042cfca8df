import { WritError } from '../errors/errors.js';
import { durationMs, type Duration } from './duration.js';

/** Bounds of a run and of all that it starts. What is absent has no bound; 0 is one. */
export interface Limits {
  /** Money; counted in nano-USD. */
  usd?: number;
  tokens?: number;
  /** Through the tool gateway, whoever makes them in the run. */
  toolCalls?: number;
  /** Runs that it and its descendants start. */
  children?: number;
  /** From its start, waits included. */
  time?: Duration;
  /** Runs below it, one under the other; 8 is the most in any case. */
  depth?: number;
}

/** What a step spends. */
export interface Amount {
  usd?: number;
  tokens?: number;
}

/** Taken out of the budget. */
export interface Spending {
  /** Says what was really spent; the rest is free again. What is never settled counts as spent. */
  settle(used: Amount): Promise<void>;
}

/** As they are counted: whole numbers, money in nano-USD. */
export interface Counted {
  nanoUsd?: number;
  tokens?: number;
  toolCalls?: number;
  children?: number;
}
export interface CountedLimits extends Counted {
  timeMs?: number;
  depth?: number;
}

/** @throws WritError `input.invalid` */
export function countedAmount({ usd, tokens }: Amount): Counted {
  return {
    ...(usd !== undefined && { nanoUsd: nanoUsd(usd) }),
    ...(tokens !== undefined && { tokens: whole('tokens', tokens) }),
  };
}

/** @throws WritError `input.invalid` */
export function countedLimits({ toolCalls, children, time, depth, ...amount }: Limits): CountedLimits {
  return {
    ...countedAmount(amount),
    ...(toolCalls !== undefined && { toolCalls: whole('toolCalls', toolCalls) }),
    ...(children !== undefined && { children: whole('children', children) }),
    ...(time !== undefined && { timeMs: Math.floor(durationMs(time)) }),
    ...(depth !== undefined && { depth: whole('depth', depth) }),
  };
}

/** As the API takes them. */
export function limitsOut({ timeMs, depth, ...counted }: CountedLimits) {
  return {
    ...amountOut(counted),
    ...(timeMs !== undefined && { time: { seconds: BigInt(Math.floor(timeMs / 1000)), nanos: (timeMs % 1000) * 1e6 } }),
    ...(depth !== undefined && { depth }),
  };
}

/** As the API takes it. */
export function amountOut({ nanoUsd: nano, tokens, toolCalls, children }: Counted) {
  return {
    ...(nano !== undefined && { nanoUsd: BigInt(nano) }),
    ...(tokens !== undefined && { tokens: BigInt(tokens) }),
    ...(toolCalls !== undefined && { toolCalls: BigInt(toolCalls) }),
    ...(children !== undefined && { children: BigInt(children) }),
  };
}

/** The smallest amount of money: nothing that was spent counts as nothing. */
function nanoUsd(usd: number): number {
  if (Number.isFinite(usd) && usd >= 0 && usd <= 9e6) return Math.ceil(Number((usd * 1e9).toFixed(3)));
  throw invalid('usd', usd, 'a number from 0 to 9,000,000');
}

function whole(of: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(of, value, 'a whole number from 0');
}

function invalid(of: string, value: unknown, wanted: string): WritError {
  return new WritError(`${of} is ${String(value)}, and must be ${wanted}`, { code: 'input.invalid', details: { of } });
}
