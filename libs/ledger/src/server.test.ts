import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from '@jest/globals';
import { featuresOf, serverInfo } from './server.js';

const connection = (info: object) => ({ info }) as unknown as NatsConnection;
const good = { version: '2.15.1', jetstream: true, headers: true, max_payload: 1024 };

test.each([
  ['2.9.10', []],
  ['2.10.0', ['syncInterval']],
  ['2.11.4', ['syncInterval', 'batchGet']],
  ['2.14.5', ['syncInterval', 'batchGet', 'strictApi']],
  ['2.15.1', ['syncInterval', 'batchGet', 'strictApi', 'consumerCap']],
  ['3.0.0', ['syncInterval', 'batchGet', 'strictApi', 'consumerCap']],
  ['nonsense', []],
])('nats-server %s can do %p', (version, features) => {
  const found = Object.entries(featuresOf(version)).filter(([, has]) => has);
  expect(found.map(([name]) => name)).toEqual(features);
});

test('durability is what is claimed for the server, if it can do it', () => {
  expect(serverInfo(connection(good), undefined)).toMatchObject({ durability: 'flush', maxPayload: 1024 });
  expect(serverInfo(connection(good), 'fsync').durability).toBe('fsync');
  expect(() => serverInfo(connection({ ...good, version: '2.9.10' }), 'fsync')).toThrow(
    /2.9.10 cannot sync each write/,
  );
});

test('a server that is too old, or without JetStream, is refused', () => {
  expect(() => serverInfo(connection({ ...good, version: '2.8.4' }), undefined)).toThrow(/too old/);
  expect(() => serverInfo(connection({ ...good, jetstream: false }), undefined)).toThrow(/without JetStream/);
});
