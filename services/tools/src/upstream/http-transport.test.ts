import { expect, test } from '@jest/globals';
import { mustBeAllowed } from './http-transport.js';

const codeOf = (url: string): unknown => {
  try {
    return mustBeAllowed(new URL(url), allowed).href;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};
const allowed = ['tools.example', 'tools.example:8443', '127.0.0.1:3000', '[::1]:3000'];

test.each([
  'https://tools.example/mcp',
  'http://tools.example/mcp',
  'https://TOOLS.example:8443/x?y',
  'http://127.0.0.1:3000/',
  'http://[::1]:3000/mcp',
])('%s is allowed', (url) => {
  expect(mustBeAllowed(new URL(url), allowed).href).toBe(new URL(url).href);
});

test.each([
  'https://tools.example:444/mcp',
  'https://tools.example.evil.example/mcp',
  'https://evil.example/tools.example',
  'http://127.0.0.1:3001/',
  'http://127.0.0.1/',
  'http://2130706433:3001/',
  'https://tools.example@evil.example/mcp',
])('%s is refused', (url) => {
  expect(codeOf(url)).toBe('tools.host_refused');
});

test('without a list nothing is allowed', () => {
  expect(() => mustBeAllowed(new URL('http://localhost/'), [])).toThrow('not among the hosts');
});
