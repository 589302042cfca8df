import { describe, expect, test } from '@jest/globals';
import { covers, permits, type Capability } from './capabilities.js';

const can = (actions: string[], resources?: string[]): Capability =>
  resources ? { type: 'writ', actions, resources } : { type: 'writ', actions };

describe('covers', () => {
  test.each<[string, Capability[], Capability[]]>([
    ['itself', [can(['run.start'])], [can(['run.start'])]],
    ['a narrower action', [can(['run.*'])], [can(['run.start'])]],
    ['a narrower pattern', [can(['*'])], [can(['run.*'])]],
    ['a narrower resource', [can(['tool.call'])], [can(['tool.call'], ['files/write'])]],
    ['a longer prefix', [can(['tool.call'], ['files/*'])], [can(['tool.call'], ['files/write_*'])]],
    ['parts from two entries', [can(['a.x']), can(['b.y'], ['k*'])], [can(['a.x', 'b.y'], ['k1'])]],
    ['every resource, spelled out', [can(['a'], ['*'])], [can(['a'])]],
    ['nothing at all', [], []],
    ['an entry that grants nothing', [], [can(['a'], [])]],
  ])('holds for %s', (_, parent, child) => {
    expect(covers(parent, child)).toEqual({ ok: true });
  });

  test.each<[string, Capability[], Capability[], Capability]>([
    ['another action', [can(['run.read'])], [can(['run.start'])], can(['run.start'])],
    ['a wider pattern', [can(['run.start'])], [can(['run.*'])], can(['run.*'])],
    ['every action', [can(['run.*'])], [can(['*'])], can(['*'])],
    ['every resource', [can(['tool.call'], ['files/*'])], [can(['tool.call'])], can(['tool.call'])],
    ['a shorter prefix', [can(['t'], ['files/w*'])], [can(['t'], ['files/*'])], can(['t'], ['files/*'])],
    ['a pattern where the parent holds a literal', [can(['t'], ['a'])], [can(['t'], ['a*'])], can(['t'], ['a*'])],
    // The action of one entry and the resource of another do not add up to both.
    ['a mix of two entries', [can(['a'], ['1']), can(['b'], ['2'])], [can(['a'], ['2'])], can(['a'], ['2'])],
    [
      'a prefix where the parent has one that ends in a star',
      [can(['t'], ['a**'])],
      [can(['t'], ['a*'])],
      can(['t'], ['a*']),
    ],
    ['a prefix of the name without a star', [can(['run'])], [can(['run.start'])], can(['run.start'])],
  ])('fails for %s and names it', (_, parent, child, missing) => {
    expect(covers(parent, child)).toEqual({ ok: false, missing });
  });

  test('what covers permits: no child is permitted what its parent is not', () => {
    const parent = [can(['tool.call'], ['files/read_*', 'git/log']), can(['memory.*'], ['repo/*'])];
    const child = [can(['tool.call'], ['files/read_text']), can(['memory.read'], ['repo/writ/*'])];
    expect(covers(parent, child).ok).toBe(true);
    for (const action of ['tool.call', 'memory.read', 'memory.write'])
      for (const resource of ['files/read_text', 'files/write', 'git/log', 'repo/writ/a', 'repo/x'])
        if (permits(child, action, resource)) expect(permits(parent, action, resource)).toBe(true);
  });
});

describe('permits', () => {
  const grant = [can(['run.*']), can(['tool.call'], ['files/write_file', 'git/*']), can(['nothing'], [])];

  test.each([
    ['run.start', undefined, true],
    ['run.start', 'anything', true],
    ['tool.call', undefined, true],
    ['tool.call', 'files/write_file', true],
    ['tool.call', 'files/write_file2', false],
    ['tool.call', 'git/log', true],
    ['nothing', undefined, false],
    ['runx', undefined, false],
  ])('%s on %p: %p', (action, resource, allowed) => {
    expect(permits(grant, action, resource)).toBe(allowed);
  });
});
