import { partitionLabel, type ServiceName } from './partitioning.js';

/** Where an event stands: `commit` counts from 1 within its partition, `index` from 0 within its commit. */
export interface Position {
  service: ServiceName;
  partition: number;
  commit: number;
  index: number;
}

/** `scheduler/07/123/0`. */
export function formatPosition(position: Position): string {
  return `${position.service}/${partitionLabel(position.partition)}/${position.commit}/${position.index}`;
}

/** @throws TypeError when the text is not a position; an edge turns that into its own refusal. */
export function parsePosition(text: string): Position {
  const match = /^([a-z][a-z0-9-]*)\/(\d{2,5})\/(\d{1,15})\/(\d{1,9})$/.exec(text);
  if (!match) throw new TypeError(`'${text.slice(0, 64)}' is not a position; one looks like scheduler/07/123/0`);
  return {
    service: match[1] as string,
    partition: Number(match[2]),
    commit: Number(match[3]),
    index: Number(match[4]),
  };
}

/** Negative when `a` is earlier. Only positions of one partition have an order. */
export function comparePositions(a: Position, b: Position): number {
  return a.commit - b.commit || a.index - b.index;
}
