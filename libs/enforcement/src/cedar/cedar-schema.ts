import type { Schema } from '@cedar-policy/cedar-wasm/nodejs';
import type { ArgumentsType, ArgumentType } from './argument-type.js';
import {
  contextAttributes,
  ofServers,
  principalAttributes,
  principalTypes,
  resourceAttributes,
  resourceTypes,
  type ResourceType,
} from './vocabulary.js';

/** One action with the types of its arguments, as the schema of a slice needs it. */
export interface TypedAction {
  readonly action: string;
  readonly resources: readonly ResourceType[];
  readonly arguments: ArgumentsType;
}

/** Cedar's JSON schema of namespace `Writ` for these actions. */
export function cedarSchema(actions: readonly TypedAction[]): Schema {
  const entityTypes: Record<string, object> = { Server: {} };
  for (const name of principalTypes) entityTypes[name] = { shape: { type: 'Record', attributes: principalAttributes } };
  for (const name of resourceTypes) {
    entityTypes[name] = {
      ...(ofServers.has(name) ? { memberOfTypes: ['Server'] } : {}),
      shape: { type: 'Record', attributes: { id: { type: 'String' }, ...resourceAttributes[name] } },
    };
  }
  const described = actions.map(({ action, resources, arguments: type }) => {
    const context = { type: 'Record', attributes: { ...contextAttributes, arguments: cedarType(type) } };
    return [action, { appliesTo: { principalTypes: [...principalTypes], resourceTypes: [...resources], context } }];
  });
  return { Writ: { entityTypes, actions: Object.fromEntries(described) } } as unknown as Schema;
}

function cedarType(type: ArgumentType): object {
  switch (type.kind) {
    case 'string':
    case 'json':
      return { type: 'String' };
    case 'integer':
      return { type: 'Long' };
    case 'number':
      return { type: 'Extension', name: 'decimal' };
    case 'boolean':
      return { type: 'Boolean' };
    case 'array':
      return { type: 'Set', element: cedarType(type.element) };
    case 'object': {
      const members = Object.entries(type.properties).map(([name, { type: member, required }]) => [
        name,
        { ...cedarType(member), required },
      ]);
      return { type: 'Record', attributes: Object.fromEntries(members) };
    }
  }
}
