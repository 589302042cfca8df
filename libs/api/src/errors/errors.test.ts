import { describe, expect, test } from '@jest/globals';
import { status as Code } from '@grpc/grpc-js';
import { DomainError, refuse } from '@writ/ledger/domain';
import { entryOf, registerErrors } from './catalogue.js';
import { failureOf, invalid, registerTranslation } from './failure.js';
import { fromGrpcStatus, grpcStatus } from './grpc-status.js';
import { problemOf } from './problem.js';

registerErrors({ 'shelf.full': { status: 409, title: 'The shelf is full', retry: true, hint: 'take something off' } });

describe('a refusal', () => {
  const failure = failureOf(refuse('shelf.full', 'shelf 7 is full', { shelf: '7', items: 12 }));

  test('is the same thing over HTTP and over gRPC', () => {
    expect(problemOf(failure, 'req_1')).toEqual({
      type: 'urn:writ:error:shelf.full',
      title: 'The shelf is full',
      status: 409,
      detail: 'shelf 7 is full',
      code: 'shelf.full',
      request_id: 'req_1',
      hint: 'take something off',
      details: { shelf: '7', items: 12 },
    });
    const status = grpcStatus(failure, 'req_1');
    expect(status).toMatchObject({ code: Code.ABORTED, details: 'shelf 7 is full' });
    expect(fromGrpcStatus(status)).toMatchObject({
      code: 'shelf.full',
      message: 'shelf 7 is full',
      details: { shelf: '7', items: '12' },
    });
  });

  test('of fields names each of them', () => {
    const error = invalid([
      { field: 'item.tags[2]', detail: 'too long' },
      { field: 'page_size', detail: 'too large' },
    ]);
    expect(error.message).toBe('item.tags[2]: too long (and 1 more)');
    expect(problemOf(failureOf(error), 'r').errors).toEqual([
      { pointer: '#/item/tags/2', detail: 'too long' },
      { pointer: '#/pageSize', detail: 'too large' },
    ]);
  });

  test('that nobody registered, and anything else that is thrown, is a bug without text', () => {
    for (const error of [refuse('nobody.knows', 'secret'), new Error('secret'), 'secret', undefined]) {
      const failure = failureOf(error);
      expect([failure.code, 'bug' in failure]).toEqual(['internal.error', true]);
      expect(JSON.stringify(problemOf(failure, 'r'))).not.toContain('secret');
    }
  });

  test('is what somebody knows it to mean, where somebody does', () => {
    registerTranslation((error) =>
      error instanceof RangeError ? refuse('service.unavailable', 'the shelf is away') : undefined,
    );
    expect(failureOf(new RangeError('secret'))).toMatchObject({
      code: 'service.unavailable',
      status: 503,
      retry: true,
    });
    expect(failureOf(new TypeError('secret'))).toMatchObject({ code: 'internal.error' });
  });

  test('of a server that is not ours keeps what its status says', () => {
    const error = fromGrpcStatus({ code: Code.UNAVAILABLE, details: 'no connection' });
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({ code: 'service.unavailable', message: 'no connection' });
  });
});

test('a code has one status, for ever', () => {
  expect(() => registerErrors({ 'shelf.full': { status: 400, title: 'x' } })).toThrow(/shelf.full.*409.*400/);
  registerErrors({ 'shelf.full': { status: 409, title: 'again' } });
  expect(entryOf('shelf.full')?.title).toBe('The shelf is full');
});
