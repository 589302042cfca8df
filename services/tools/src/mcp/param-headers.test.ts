import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { disagreement } from './param-headers.js';

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    size: { type: 'integer', 'x-mcp-header': 'Size' },
    where: { type: 'object', properties: { city: { type: 'string', 'x-mcp-header': 'City' } } },
    free: { type: 'string' },
  },
};
const check = (input: object, headers: Record<string, string>) => disagreement(schema, input, new Headers(headers));
const base64 = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`;

describe('an argument that stands in a header too', () => {
  test.each([
    ['the same', { region: 'eu' }, { 'mcp-param-region': 'eu' }],
    ['the same in Base64', { region: 'Köln ' }, { 'mcp-param-region': base64('Köln ') }],
    ['the same number', { size: 42 }, { 'Mcp-Param-Size': '42.0' }],
    ['the same further inside', { where: { city: 'Bonn' } }, { 'mcp-param-city': 'Bonn' }],
    ['no argument', { free: 'x' }, { 'mcp-param-region': 'eu' }],
    ['null', { region: null }, {}],
    ['what only looks like Base64', { region: '=?base64?SGVsbG8=' }, { 'mcp-param-region': '=?base64?SGVsbG8=' }],
  ])('agrees where it is %s', (_, input, headers) => {
    expect(check(input, headers as Record<string, string>)).toBeUndefined();
  });

  test.each([
    ['is missing', { region: 'eu' }, {}, 'is missing'],
    ['says another value', { region: 'eu' }, { 'mcp-param-region': 'us' }, 'another value'],
    ['says another number', { size: 42 }, { 'mcp-param-size': '43' }, 'another value'],
    [
      'is Base64 without its end',
      { region: 'Hello' },
      { 'mcp-param-region': '=?base64?SGVsbG8?=' },
      'not valid Base64',
    ],
    ['is no Base64', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVs!!!bG8=?=' }, 'not valid Base64'],
    ['is Base64 of no text', { region: 'x' }, { 'mcp-param-region': '=?base64?/w==?=' }, 'not valid Base64'],
  ])('disagrees where the header %s', (_, input, headers, why) => {
    verifies('tools.mcp_headers');
    expect(check(input, headers as Record<string, string>)).toContain(why);
  });
});
