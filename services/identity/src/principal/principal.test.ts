import { describe, expect, test } from '@jest/globals';
import { TestPartition, everything, keyOf, may } from '../testing/partition.js';

const create = {
  type: 'create',
  name: 'reviewer',
  capabilities: [may(['tool.call'])],
  holds: everything,
  key: keyOf('agt_1'),
};

describe('an agent', () => {
  test('is created with its key and its capabilities', () => {
    expect(new TestPartition().do('agent', 'agt_1', { ...create, owner: 'psn_1' })).toEqual([
      {
        type: 'agent.created.v1',
        data: { name: 'reviewer', owner: 'psn_1', capabilities: [may(['tool.call'])], key: keyOf('agt_1') },
      },
    ]);
  });

  test('is created once: the same again changes nothing, another one is refused', () => {
    const partition = new TestPartition();
    partition.do('agent', 'agt_1', create);
    expect(partition.do('agent', 'agt_1', create)).toEqual([]);
    expect(partition.refused('agent', 'agt_1', { ...create, name: 'other' })).toBe('identity.agent_exists');
  });

  test('never holds more than the one who creates it', () => {
    const holds = [may(['tool.call'], ['files/*'])];
    const partition = new TestPartition();
    expect(partition.refused('agent', 'agt_1', { ...create, holds })).toBe('identity.exceeds_parent');
    const inside = { ...create, holds, capabilities: [may(['tool.call'], ['files/read_file'])] };
    expect(partition.do('agent', 'agt_1', inside)).toHaveLength(1);
  });

  test('gets no key from someone who holds less than it does: the key would be a way up', () => {
    const partition = new TestPartition();
    partition.principal('agt_1', ['*']);
    const holds = [may(['agent.write'])];
    expect(partition.refused('agent', 'agt_1', { type: 'add_key', key: keyOf('x'), holds })).toBe(
      'identity.exceeds_parent',
    );
    expect(partition.refused('agent', 'agt_1', { type: 'rotate_key', key: keyOf('x'), holds })).toBe(
      'identity.exceeds_parent',
    );
    expect(partition.refused('agent', 'agt_1', { type: 'set_capabilities', capabilities: everything, holds })).toBe(
      'identity.exceeds_parent',
    );
  });

  test('rotates its key: the new one is added and every older one is retired, in one commit', () => {
    const partition = new TestPartition();
    partition.principal('agt_1', ['tool.call']);
    partition.do('agent', 'agt_1', { type: 'add_key', key: keyOf('second'), holds: everything });
    expect(partition.do('agent', 'agt_1', { type: 'rotate_key', key: keyOf('third'), holds: everything })).toEqual([
      { type: 'agent.key_added.v1', data: keyOf('third') },
      { type: 'agent.key_retired.v1', data: { kid: 'agt_1-key' } },
      { type: 'agent.key_retired.v1', data: { kid: 'second-key' } },
    ]);
    expect(partition.do('agent', 'agt_1', { type: 'rotate_key', key: keyOf('third'), holds: everything })).toEqual([]);
  });

  test('keeps at least one key and has at most eight', () => {
    const partition = new TestPartition();
    partition.principal('agt_1', ['tool.call']);
    expect(partition.refused('agent', 'agt_1', { type: 'retire_key', kid: 'agt_1-key' })).toBe('identity.last_key');
    for (let i = 2; i <= 8; i++)
      partition.do('agent', 'agt_1', { type: 'add_key', key: keyOf(`k${i}`), holds: everything });
    expect(partition.refused('agent', 'agt_1', { type: 'add_key', key: keyOf('k9'), holds: everything })).toBe(
      'identity.too_many_keys',
    );
    expect(partition.do('agent', 'agt_1', { type: 'retire_key', kid: 'k2-key' })).toHaveLength(1);
    expect(partition.do('agent', 'agt_1', { type: 'retire_key', kid: 'k2-key' })).toEqual([]);
  });

  test('of another tenant does not exist', () => {
    const partition = new TestPartition();
    partition.principal('agt_1', ['tool.call'], 'tnt_other');
    expect(partition.refused('agent', 'agt_1', { type: 'retire_key', kid: 'agt_1-key' })).toBe(
      'identity.agent_not_found',
    );
  });
});

test('nobody is created in a tenant that does not exist', () => {
  const partition = new TestPartition();
  for (const tenant of ['tnt_none', 'system'])
    expect(partition.refused('agent', 'agt_1', create, tenant)).toBe('identity.tenant_not_found');
});

test('capabilities are set only on the version that was read, where one is named', () => {
  const partition = new TestPartition();
  partition.principal('agt_1', ['tool.call']);
  const set = { type: 'set_capabilities', capabilities: [may(['run.read'])], holds: everything };
  expect(partition.refused('agent', 'agt_1', { ...set, ifVersion: 2 })).toBe('identity.changed_meanwhile');
  expect(partition.do('agent', 'agt_1', { ...set, ifVersion: 1 })).toHaveLength(1);
  expect(partition.refused('agent', 'agt_1', { ...set, capabilities: everything, ifVersion: 1 })).toBe(
    'identity.changed_meanwhile',
  );
});

test('a person belongs to groups', () => {
  const partition = new TestPartition();
  const [event] = partition.do('person', 'psn_1', { ...create, groups: ['release'], key: keyOf('psn_1') });
  expect(event).toMatchObject({ type: 'person.created.v1', data: { groups: ['release'] } });
});

test('the operator changes its key when its configuration does', () => {
  const partition = new TestPartition('system');
  partition.do('operator', 'operator', { ...create, name: 'operator', capabilities: everything });
  expect(partition.do('operator', 'operator', { type: 'rotate_key', key: keyOf('new'), holds: everything })).toEqual([
    { type: 'operator.key_added.v1', data: keyOf('new') },
    { type: 'operator.key_retired.v1', data: { kid: 'agt_1-key' } },
  ]);
});
