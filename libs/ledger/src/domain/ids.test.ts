import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { derivedId, newId } from './ids.js';

describe('newId', () => {
  test('is a UUIDv7 behind its prefix', () => {
    expect(newId('run')).toMatch(/^run_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('ids of one process are unique and sort in the order in which they were made', () => {
    const ids = Array.from({ length: 20_000 }, () => newId('evt'));
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(ids);
  });
});

describe('derivedId', () => {
  test('is the same for the same parts, and a SHA-256 underneath', () => {
    const id = derivedId('cmd', 'evt_1', 'dispatch');
    expect(derivedId('cmd', 'evt_1', 'dispatch')).toBe(id);
    const digest = createHash('sha256').update('5:evt_18:dispatch').digest('hex');
    expect(id.replaceAll('-', '').slice(4, 16)).toBe(digest.slice(0, 12));
    expect(id).toMatch(/^cmd_[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('parts do not run into each other', () => {
    expect(derivedId('cmd', 'ab', 'c')).not.toBe(derivedId('cmd', 'a', 'bc'));
    expect(derivedId('cmd', 'ab')).not.toBe(derivedId('cmd', 'ab', ''));
  });
});
