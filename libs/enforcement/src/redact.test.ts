import { describe, expect, test } from '@jest/globals';
import { bounded, redact, REDACTED, sizeOf } from './redact.js';

describe('redaction', () => {
  test.each([
    [['/token'], { token: REDACTED, headers: [{ key: 'a' }], 'a/b': 1 }],
    [['/headers/0/key'], { token: 't', headers: [{ key: REDACTED }], 'a/b': 1 }],
    [['/headers/*/key'], { token: 't', headers: [{ key: REDACTED }], 'a/b': 1 }],
    [['/a~1b'], { token: 't', headers: [{ key: 'a' }], 'a/b': REDACTED }],
    [['/nothing/here', '/token'], { token: REDACTED, headers: [{ key: 'a' }], 'a/b': 1 }],
    [[''], REDACTED],
  ])('%p', (pointers, expected) => {
    expect(redact({ token: 't', headers: [{ key: 'a' }], 'a/b': 1 }, pointers)).toEqual(expected);
  });

  test('what is redacted stays as it was in the original', () => {
    const original = { a: { b: 'secret' } };
    redact(original, ['/a/b']);
    expect(original.a.b).toBe('secret');
  });
});

describe('bounds', () => {
  test('a small value is left alone', () => expect(bounded({ a: 1 }, 100)).toEqual({ a: 1 }));

  test('long strings are cut and say how long they were', () => {
    const result = bounded({ path: 'report.md', content: 'x'.repeat(50_000) }, 16_384) as {
      path: string;
      content: string;
    };
    expect(result.path).toBe('report.md');
    expect(result.content).toMatch(/^x+… \(50000 characters\)$/);
    expect(sizeOf(result)).toBeLessThan(16_384);
  });

  test('what cannot be cut leaves only its size', () => {
    expect(
      bounded(
        Array.from({ length: 10_000 }, (_, index) => index),
        16_384,
      ),
    ).toEqual({ omitted: true, bytes: 48_891 });
  });

  test('a cut does not leave half of a surrogate pair', () => {
    const result = bounded({ text: 'a' + '😀'.repeat(20_000) }, 16_384) as { text: string };
    expect(result.text.isWellFormed()).toBe(true);
  });
});
