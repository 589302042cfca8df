import { describe, expect, test } from '@jest/globals';
import { readCgiHead } from './cgi.js';

describe('the head of a CGI answer', () => {
  test('is status, headers and what follows', () => {
    const answer = Buffer.from('Status: 404 Not Found\r\nContent-Type: text/plain\r\nX-A: b: c\r\n\r\nbody\r\n\r\n');
    expect(readCgiHead(answer)).toEqual({
      status: 404,
      headers: [
        ['content-type', 'text/plain'],
        ['x-a', 'b: c'],
      ],
      rest: Buffer.from('body\r\n\r\n'),
    });
  });

  test('is 200 unless it says otherwise', () => {
    expect(readCgiHead(Buffer.from('A: b\r\n\r\n'))?.status).toBe(200);
  });

  test('may come in pieces', () => {
    expect(readCgiHead(Buffer.from('A: b\r\n'))).toBeUndefined();
  });

  test('must come', () => {
    expect(() => readCgiHead(Buffer.alloc(20_000, 'x'))).toThrow('no head');
    expect(() => readCgiHead(Buffer.from('nonsense\r\n\r\n'))).toThrow('not a header');
  });
});
