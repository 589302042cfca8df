import type { ErrorCatalogue } from '@writ/ledger/domain';

/** What the Durable Streams protocol refuses, by the status that it has for it. */
export const streamErrors = {
  'stream.bad_request': { status: 400, title: 'The request about a stream makes no sense' },
  'stream.stale_producer': { status: 403, title: 'Another producer of this name has taken over' },
  'stream.not_found': { status: 404, title: 'There is no such stream' },
  'stream.read_only': { status: 405, title: 'The stream of a run is written by its steps alone' },
  'stream.conflict': { status: 409, title: 'It does not fit what the stream is, or what was appended before' },
  'stream.gone': { status: 410, title: 'The stream was deleted, or what was asked for is not held any more' },
  'stream.full': { status: 507, title: 'There is no room for more in streams' },
} as const satisfies ErrorCatalogue;

const codes: Readonly<Record<number, keyof typeof streamErrors>> = Object.fromEntries(
  Object.entries(streamErrors).map(([code, { status }]) => [status, code as keyof typeof streamErrors]),
);

/** @returns the code of a status that the protocol refuses with */
export const streamErrorOf = (status: number): keyof typeof streamErrors => codes[status] ?? 'stream.bad_request';
