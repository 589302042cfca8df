import type { ArgumentsType, Property } from './argument-type.js';

/**
 * What a policy can speak about: who acts, on what, and the actions whose arguments are the same in every tenant.
 * The arguments of `tool.call` are not here: each tool brings its own.
 */

export const principalTypes = ['Agent', 'Person', 'Operator', 'Service'] as const;
export type PrincipalType = (typeof principalTypes)[number];

export const resourceTypes = [
  'Tool',
  'Prompt',
  'Resource',
  'Memory',
  'Sandbox',
  'Artifact',
  'Workflow',
  'Run',
] as const;
export type ResourceType = (typeof resourceTypes)[number];

/** What an MCP server has: each is `<server>/<name or URI>`, and in `Writ::Server::"<server>"`. */
export const ofServers: ReadonlySet<ResourceType> = new Set(['Tool', 'Prompt', 'Resource']);

export interface ActionType {
  readonly resources: readonly ResourceType[];
  readonly arguments: ArgumentsType;
}

const text: Property = { type: { kind: 'string' }, required: false };
const whole: Property = { type: { kind: 'integer' }, required: false };
const texts: Property = { type: { kind: 'array', element: { kind: 'string' } }, required: false };

function on(resource: ResourceType, properties: Readonly<Record<string, Property>> = {}): ActionType {
  return { resources: [resource], arguments: { kind: 'object', properties } };
}

/** The action whose arguments are typed by the schema that the tool's server declared. */
export const TOOL_CALL = 'tool.call';

/** Every other action that goes through the pipeline. Arguments are optional: a policy asks `context.arguments has text`. */
export const fixedActions: Readonly<Record<string, ActionType>> = {
  'prompt.get': on('Prompt', { arguments: { type: { kind: 'json' }, required: false }, completing: text }),
  'resource.read': on('Resource', { uri: text, completing: text }),
  'memory.read': on('Memory', { query: text, limit: whole }),
  'memory.write': on('Memory', { text, attributes: { type: { kind: 'json' }, required: false } }),
  'memory.forget': on('Memory', { id: text, reason: text }),
  'sandbox.create': on('Sandbox', {
    artifact: text,
    commit: text,
    image: text,
    network: text,
    memoryMib: whole,
    diskMib: whole,
    processes: whole,
    cpus: whole,
    ttlSeconds: whole,
  }),
  'sandbox.exec': on('Sandbox', { program: text, argv: texts, command: text, cwd: text }),
  'sandbox.read': on('Sandbox', { path: text }),
  'sandbox.write': on('Sandbox', { path: text }),
  'sandbox.stop': on('Sandbox', { reason: text }),
  'artifact.import': on('Artifact', { source: text }),
  'artifact.read': on('Artifact', { commit: text }),
  'run.start': on('Workflow', { queue: text, input: { type: { kind: 'json' }, required: false } }),
  'run.send': on('Run', { message: text }),
  'run.cancel': on('Run', { reason: text }),
  'run.batch': on('Workflow', { action: text, filter: text }),
};

/** Attributes of every principal: the same for all types, so that `principal.depth < 3` needs no `is`. */
export const principalAttributes = {
  id: { type: 'String' },
  tenant: { type: 'String' },
  run: { type: 'String', required: false },
  /** 0 for an agent that acts by itself or in a run that nobody delegated. */
  depth: { type: 'Long' },
} as const;

/** Attributes of resources beside `id`, which each has because Cedar's `like` cannot look into an entity's own id. */
export const resourceAttributes: Readonly<Record<ResourceType, Readonly<Record<string, object>>>> = {
  Tool: { server: { type: 'String' }, effect: { type: 'String', required: false } },
  Prompt: { server: { type: 'String' } },
  Resource: { server: { type: 'String' } },
  Memory: {},
  Sandbox: {},
  Artifact: {},
  Workflow: {},
  Run: {},
};

/** Attributes of `context` beside `arguments`. */
export const contextAttributes = {
  /** True once a person has approved exactly this call. */
  approved: { type: 'Boolean' },
  /** Names of top-level arguments that the action's schema does not declare. */
  undeclared: { type: 'Set', element: { type: 'String' } },
  run: {
    type: 'Record',
    required: false,
    attributes: { id: { type: 'String' }, depth: { type: 'Long' }, workflow: { type: 'String', required: false } },
  },
  /** Hash of the tool's definition as a person approved it. */
  pin: { type: 'String', required: false },
  /** Labels on the data that led here, such as `untrusted`. */
  labels: { type: 'Set', required: false, element: { type: 'String' } },
} as const;
