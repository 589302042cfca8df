import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startBackends, verifies, type Backends } from '@writ/testkit';
import * as fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { openPostgres } from './postgres.js';
import { storable, storableJson, storableValue } from './storable.js';

let backends: Backends;
let dataSource: DataSource;
beforeAll(async () => {
  backends = await startBackends();
  dataSource = await openPostgres({ url: backends.postgresUrl, schema: 'any', entities: [], migrations: [] });
});
afterAll(async () => {
  await dataSource?.destroy();
  await backends?.stop();
});

const unit = fc.oneof(fc.constantFrom('a', '\u0000', '\ud800', '\udc00', '\\', 'u0000', '"', '😀'), fc.string());
// JSON.parse of V8 13.6 reads the name `"` as `\` once it has read an object with the name `\` at the same place.
const unitOfJson = unit.filter((each) => !each.includes('"'));
const text = fc.array(unit).map((parts) => parts.join(''));

test('every text and every JSON comes back from PostgreSQL as it went in', async () => {
  verifies('platform.storable');
  await fc.assert(
    fc.asyncProperty(text, fc.jsonValue({ stringUnit: unitOfJson }), async (each, json) => {
      const [row] = await dataSource.query<{ text: string; json: unknown }[]>(
        'SELECT $1::text AS text, $2::jsonb AS json',
        [storable(each), storableJson(json)],
      );
      expect(row).toEqual({ text: storable(each), json: JSON.parse(storableJson(json)) });
    }),
  );
});

test('what PostgreSQL can hold stays as it is, a written escape too', () => {
  const json = { '\\u0000': ['\\u0000', '\\\\u0000', '😀', '\uffff', 0, null] };
  expect(JSON.parse(storableJson(json))).toEqual(json);
  expect(storableValue(json)).toEqual(json);
  expect(storableValue(['\u0000'])).toEqual(['\ufffd']);
  expect(storable('\\u0000 😀')).toBe('\\u0000 😀');
  expect(JSON.parse(storableJson({ 'a\u0000': ['\u0000\\u0000', '\ud800'] }))).toEqual({
    'a\ufffd': ['\ufffd\\u0000', '\ufffd'],
  });
});
