/** What a hostile caller sends to a route that it may call. */
import type { Sent } from './http.js';
import type { Route, Schema } from './routes.js';

export interface Attack extends Sent {
  readonly what: string;
}

const json = { 'content-type': 'application/json' };
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

const pathValues = [
  '..',
  '%2e%2e',
  '%2e%2e%2fetc%2fpasswd',
  '%00',
  '%ff',
  'a%2fb',
  '__proto__',
  '%ed%a0%80',
  "'%20OR%201=1--",
  'x'.repeat(4000),
];
const queryValues = ['-1', '1e999', '%00', '%ff', '__proto__', 'x'.repeat(5000)];

const bodies: Readonly<Record<string, string | Buffer>> = {
  'malformed JSON': '{',
  'an array': '[]',
  'a text': '"x"',
  null: 'null',
  nothing: '',
  __proto__: '{"__proto__":{"polluted":true}}',
  constructor: '{"constructor":{"prototype":{"polluted":true}}}',
  'an unknown field': '{"noSuchField":1}',
  'a nesting of 10,000': `{"a":${nested(10_000)}}`,
  'no UTF-8': Buffer.from('7b22fffe223a317d', 'hex'),
  NaN: '{"pageSize":NaN}',
  '200,000 values': `{"a":[${'1,'.repeat(200_000)}1]}`,
};

/** Values of the wrong type, and those that no text or number may be. */
const valuesFor = ({ type }: Schema): readonly string[] => {
  const never = type === 'string' || type === 'array' ? ['{"a":1}'] : type === undefined ? [] : ['[["x"]]', '"x"'];
  return [...never, '"\\u0000"', '"\\ud800"', '1e999', '{"__proto__":{"a":1e999}}', `"${'../'.repeat(2000)}"`];
};

/** Everything that is wrong with a request for one route. Nothing of it takes the place of another. */
export function attacksOn(route: Route): Attack[] {
  const { method, template, inPath, inQuery, fields, body } = route;
  const at = (value = 'x'): string => template.replaceAll(/\{\w+\}/g, value);
  const right = body === undefined ? {} : { headers: json, body: JSON.stringify(body) };
  const attacks: Attack[] = [];
  const add = (what: string, sent: Partial<Sent>): number => attacks.push({ what, method, path: at(), ...sent });
  if (inPath.length > 0)
    for (const value of pathValues) add(`path ${value.slice(0, 20)}`, { ...right, path: at(value) });
  for (const { name } of inQuery)
    for (const value of queryValues) add(`query ${name}=${value.slice(0, 20)}`, { path: `${at()}?${name}=${value}` });
  add('unknown parameter', { ...right, path: `${at()}?nope=1&__proto__=2&constructor.prototype=3` });
  if (fields === undefined) return attacks;
  for (const [what, text] of Object.entries(bodies)) add(what, { headers: json, body: text });
  for (const type of ['text/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
    add(type, { headers: { 'content-type': type }, body: JSON.stringify(body) });
  add('no type', { body: JSON.stringify(body) });
  add('compressed, as it says', { headers: { ...json, 'content-encoding': 'gzip' }, body: JSON.stringify(body) });
  add('two keys', { headers: json, body: `{"a":1,"a":2}` });
  add('long key', { headers: { ...json, 'idempotency-key': 'x'.repeat(5000) }, body: JSON.stringify(body) });
  for (const [name, schema] of Object.entries(fields))
    for (const value of valuesFor(schema)) {
      const text = JSON.stringify({ ...body, [name]: '@' }).replace(`"${name}":"@"`, () => `"${name}":${value}`);
      add(`${name} ${value.slice(0, 20)}`, { headers: json, body: text });
    }
  return attacks;
}

const field = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
const inEach = (bytes: Buffer): Buffer => Buffer.concat([1, 2, 3, 4, 5].map((number) => field(number, bytes)));

/** Bytes in the place of a message: some are one, of the wrong shape. */
export const messages: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  garbage: Buffer.from('ffffffffffff', 'hex'),
  'a group that never ends': Buffer.alloc(4000, 0x0b),
  'a field cut off': Buffer.from([0x0a, 0x7f, 0x41]),
  'no UTF-8': inEach(Buffer.from([0xff, 0xfe])),
  'U+0000': inEach(Buffer.from('a\0b')),
  'half a surrogate': inEach(Buffer.from([0xed, 0xa0, 0x80])),
  'a field of everything twice': Buffer.concat([inEach(Buffer.from('../..')), inEach(Buffer.from('x'))]),
  'a number of eleven bytes': Buffer.from([0x08, ...new Array<number>(10).fill(0xff), 0x01]),
  'a number that is none': inEach(Buffer.from('11ffffffffffffff7f', 'hex')),
};
