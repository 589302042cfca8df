export { StreamStore, type StreamChange, type StreamPage } from './store.js';
export type { Broker } from './log.js';
export type { StreamSpace } from './space.js';
export { decodeRecord, hasData, tailOf, type StreamRecord, type StreamState } from './record.js';
export { fromStart, offsetOf, parseOffset } from './offset.js';
export { DurableStreams, type DurableStreamsOptions } from './http/durable-streams.js';
export { always, StreamRefusal, type StreamAnswer, type StreamRequest } from './http/exchange.js';
export { readReading } from './http/read.js';
export { StreamReader, type Readable } from './http/reader.js';
