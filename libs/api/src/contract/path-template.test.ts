import { describe, expect, test } from '@jest/globals';
import { parseTemplate } from './path-template.js';

describe('a path template', () => {
  test('is literals, variables of one or more segments, and a verb', () => {
    expect(parseTemplate('/v1/{name=shelves/*/items/**}:stop')).toEqual({
      source: '/v1/{name=shelves/*/items/**}:stop',
      segments: [
        { kind: 'literal', text: 'v1' },
        { kind: 'literal', text: 'shelves' },
        { kind: 'one' },
        { kind: 'literal', text: 'items' },
        { kind: 'rest' },
      ],
      variables: [{ field: ['name'], from: 1, to: 5, multiple: true }],
      verb: 'stop',
    });
    expect(parseTemplate('/v1/items/{item.id}')).toMatchObject({
      variables: [{ field: ['item', 'id'], from: 2, to: 3, multiple: false }],
    });
    expect(parseTemplate('/v1/items:import')).toMatchObject({ variables: [], verb: 'import' });
  });

  test.each(['v1/items', '/v1/{a=**}/b', '/v1/it ems', '/v1/{Item}', '/v1/{a'])('%s is refused', (source) => {
    expect(() => parseTemplate(source)).toThrow(source);
  });
});
