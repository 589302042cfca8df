import { describe, expect, test } from '@jest/globals';
import { Health } from '@writ/proto/grpc/health/v1/health';
import { IdentityService } from '@writ/proto/identity/v1/identity';
import { CaseService } from '@writ/proto/testing/v1/case';
import { verifies } from '@writ/testkit';
import { readContract } from './contract.js';

describe('the contract of a service', () => {
  test('says for each method who may call it and how', () => {
    const methods = readContract(CaseService);
    const stop = methods.find((each) => each.desc.name === 'StopItem');
    expect(stop).toMatchObject({
      path: '/writ.testing.v1.CaseService/StopItem',
      name: 'writ.testing.v1.CaseService.StopItem',
      requires: 'item.write',
      public: false,
      bindings: [{ verb: 'POST', body: '*' }],
    });
    expect(methods.find((each) => each.desc.name === 'GetItem')?.bindings).toHaveLength(2);
    expect(methods.find((each) => each.desc.name === 'Ping')).toMatchObject({ public: true });
    const me = methods.find((each) => each.desc.name === 'Me');
    expect([me?.public, me?.requires]).toEqual([false, undefined]);
    const open = readContract(IdentityService).filter((each) => each.public || each.requires === undefined);
    expect(open.map((each) => [each.desc.name, each.public])).toEqual([['WhoAmI', false]]);
  });

  test('with a method that says nothing is refused, unless the whole service is open', () => {
    verifies('api.capability_of_every_method');
    expect(() => readContract(Health)).toThrow(/grpc.health.v1.Health.\w+ must say one of/);
    expect(readContract(Health, true).every((each) => each.public)).toBe(true);
  });
});
