import { expect, test } from '@jest/globals';
import { serviceRole } from './service-role.js';

const url = 'postgres://writ:p%40ss@db:5432/writ?sslmode=require';

test("the role of a service is named after database and schema, and its password follows from the owner's", () => {
  const memory = serviceRole(url, 'memory');
  expect(memory).toEqual(serviceRole(url, 'memory'));
  expect(memory.url).toBe(`postgres://writ_memory:${memory.password}@db:5432/writ?sslmode=require`);
  expect(memory.password).toMatch(/^[0-9a-f]{64}$/);
  const others = [serviceRole(url, 'audit'), serviceRole(url.replace('p%40ss', 'next'), 'memory')];
  for (const { password } of others) expect(password).not.toBe(memory.password);
});

test('without a password, or with too long a name, there is no role', () => {
  expect(() => serviceRole('postgres://writ@db/writ', 'memory')).toThrow(/WRIT_POSTGRES_URL has no password/);
  expect(() => serviceRole(`postgres://writ:p@db/${'w'.repeat(60)}`, 'memory')).toThrow(/too long for a role/);
});
