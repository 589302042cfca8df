import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import fc from 'fast-check';
import { MAX_DEPTH, parse } from './body.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('a body', () => {
  test.each([
    ['that is no JSON', bytes('{"a":'), -32_700, 'not valid JSON'],
    ['that is no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), -32_700, 'not UTF-8'],
    ['that nests too deep', bytes(nested(MAX_DEPTH + 1)), -32_600, `deeper than ${MAX_DEPTH}`],
    ['with U+0000 in a text', bytes('{"a":["\\u0000"]}'), -32_600, 'U+0000'],
    ['with U+0000 in a name', bytes('{"\\u0000":1}'), -32_600, 'U+0000'],
    ['with half a character', bytes('["\\ud800"]'), -32_600, 'surrogate'],
    ['with a member __proto__', bytes('{"a":{"__proto__":{"b":1}}}'), -32_600, '__proto__'],
  ])('%s is refused, and says why', (_, given, code, why) => {
    verifies('tools.mcp_body');
    expect(() => parse(given)).toThrow(
      expect.objectContaining({ status: 400, code, message: expect.stringContaining(why) }),
    );
  });

  test('of any other kind is what JSON says', () => {
    expect(parse(bytes(nested(MAX_DEPTH)))).toBeDefined();
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        if (
          /\\u0000|\\ud[89a-f]|__proto__|\\\\"|\\u0000/i.test(text) ||
          text.includes('\u0000') ||
          !text.isWellFormed()
        )
          return;
        expect(parse(bytes(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('of any bytes is a value or a refusal, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
        try {
          parse(given);
        } catch (error) {
          expect(error).toMatchObject({ name: 'BadBody', status: 400 });
        }
      }),
    );
  });
});
