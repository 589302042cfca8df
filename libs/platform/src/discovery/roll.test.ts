import { describe, expect, test } from '@jest/globals';
import { Roll } from './roll.js';

const entry = (name: string, replica: string) => ({ name, replica, httpUrl: `http://${replica}`, grpcUrl: '' });
const names = (roll: Roll, service?: string) => roll.up(service).map(({ replica }) => replica);

describe('the roll of replicas', () => {
  test('who is heard is up, and who says goodbye is not', () => {
    const roll = new Roll();
    roll.heard('a.1', entry('a', '1'), 0);
    roll.heard('a.2', entry('a', '2'), 10);
    roll.heard('b.3', entry('b', '3'), 20);
    expect(names(roll, 'a')).toEqual(['1', '2']);
    expect(names(roll)).toEqual(['1', '2', '3']);
    roll.gone('a.1');
    expect(names(roll, 'a')).toEqual(['2']);
  });

  test('who is silent while others are heard is struck off after five seconds', () => {
    const roll = new Roll();
    roll.heard('a.1', entry('a', '1'), 0);
    for (let now = 0; now <= 5_000; now += 1_000) roll.heard('b.2', entry('b', '2'), now);
    expect(names(roll)).toEqual(['1', '2']);
    roll.heard('b.2', entry('b', '2'), 5_500);
    expect(names(roll)).toEqual(['2']);
  });

  test('a silence of all is the broker’s: nobody is struck off, also not by the first who is heard again', () => {
    const roll = new Roll();
    roll.heard('a.1', entry('a', '1'), 0);
    roll.heard('b.2', entry('b', '2'), 500);
    roll.heard('b.2', entry('b', '2'), 600_000);
    expect(names(roll)).toEqual(['1', '2']);
    for (let now = 601_000; now <= 604_000; now += 1_000) roll.heard('b.2', entry('b', '2'), now);
    expect(names(roll)).toEqual(['2']);
  });
});
