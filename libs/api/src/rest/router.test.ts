import { describe, expect, test } from '@jest/globals';
import type { HttpVerb } from '../contract/contract.js';
import { parseTemplate } from '../contract/path-template.js';
import { Router } from './router.js';

const router = new Router<string>();
const routes: readonly [HttpVerb, string][] = [
  ['GET', '/v1/items'],
  ['GET', '/v1/items/{id}'],
  ['POST', '/v1/items/{id}:stop'],
  ['GET', '/v1/items/special'],
  ['POST', '/v1/items:import'],
  ['GET', '/v1/files/{path=**}'],
  ['GET', '/v1/{name=shelves/*}/items'],
];
for (const [verb, source] of routes) router.add({ binding: { verb, template: parseTemplate(source) }, target: source });

const find = (verb: string, path: string) => {
  const match = router.find(verb, path);
  return match.kind === 'found' ? [match.route.target, ...match.values] : match;
};

describe('the router', () => {
  test.each([
    ['GET', '/v1/items', ['/v1/items']],
    ['GET', '/v1/items/a', ['/v1/items/{id}', 'a']],
    ['GET', '/v1/items/special', ['/v1/items/special']],
    ['GET', '/v1/items/a:b', ['/v1/items/{id}', 'a:b']],
    ['POST', '/v1/items/a:b:stop', ['/v1/items/{id}:stop', 'a:b']],
    ['POST', '/v1/items:import', ['/v1/items:import']],
    ['GET', '/v1/items/a%2Fb', ['/v1/items/{id}', 'a/b']],
    ['GET', '/v1/files/a/b/c', ['/v1/files/{path=**}', 'a/b/c']],
    ['GET', '/v1/shelves/s/items', ['/v1/{name=shelves/*}/items', 'shelves/s']],
    ['GET', '/v1/items/', { kind: 'none' }],
    ['GET', '/v1', { kind: 'none' }],
    ['POST', '/v1/items/a', { kind: 'wrong_verb', allowed: ['GET'] }],
    ['GET', '/v1/items:import', { kind: 'wrong_verb', allowed: ['POST'] }],
  ])('%s %s', (verb, path, expected) => {
    expect(find(verb, path)).toEqual(expected);
  });

  test('an id that is badly encoded is an error of the caller, not a match', () => {
    expect(() => find('GET', '/v1/items/%zz')).toThrow(URIError);
  });

  test('one verb and path lead to one method', () => {
    expect(() =>
      router.add({ binding: { verb: 'GET', template: parseTemplate('/v1/items/{other}') }, target: '' }),
    ).toThrow('bound twice');
  });
});
