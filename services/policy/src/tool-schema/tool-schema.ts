import {
  argumentsOfSchema,
  digestOf,
  NotCanonical,
  type ArgumentsType,
  type ToolSchemaCommand,
  type ToolSchemaEvent,
} from '@writ/enforcement';
import { refuse, type Aggregate } from '@writ/ledger/domain';

/** The argument types of a tenant's tools, by `<server>/<tool>`. */
export interface ToolSchemas {
  readonly tools: Readonly<Record<string, { readonly digest: string; readonly type: ArgumentsType }>>;
}

/** Subject: the tenant. The tools service registers the schema of every definition that it serves. */
export const toolSchema: Aggregate<ToolSchemas, ToolSchemaCommand, ToolSchemaEvent> = {
  name: 'tool_schema',
  initial: { tools: {} },
  events: ['tool_schema.registered.v1', 'tool_schema.removed.v1'],

  decide(command, { tools }) {
    switch (command.type) {
      case 'register':
        return command.tools
          .filter(({ tool, inputSchema }) => tools[mustBeName(tool)]?.digest !== mustBeCanonical(tool, inputSchema))
          .map(({ tool, inputSchema }) => ({ type: 'tool_schema.registered.v1', data: { tool, inputSchema } }));
      case 'remove':
        return command.tools
          .filter((tool) => Object.hasOwn(tools, tool))
          .map((tool) => ({ type: 'tool_schema.removed.v1', data: { tool } }));
    }
  },

  evolve({ tools }, event) {
    if (event.type === 'tool_schema.registered.v1') {
      const { tool, inputSchema } = event.data as Extract<
        ToolSchemaEvent,
        { type: 'tool_schema.registered.v1' }
      >['data'];
      return { tools: { ...tools, [tool]: { digest: digestOf(inputSchema), type: argumentsOfSchema(inputSchema) } } };
    }
    const { [event.data.tool]: _, ...rest } = tools;
    return { tools: rest };
  },
};

/** The types as a policy check wants them. */
export function typesOf(schemas: ToolSchemas | undefined): ReadonlyMap<string, ArgumentsType> {
  return new Map(Object.entries(schemas?.tools ?? {}).map(([tool, { type }]) => [tool, type]));
}

function mustBeName(tool: string): string {
  if (!/^[^/\s]{1,100}\/\S{1,200}$/.test(tool)) throw refuse('tool_schema.invalid', `"${tool}" is not <server>/<tool>`);
  return tool;
}

function mustBeCanonical(tool: string, schema: Parameters<typeof argumentsOfSchema>[0]): string {
  try {
    return digestOf(schema);
  } catch (problem) {
    if (problem instanceof NotCanonical)
      throw refuse('tool_schema.invalid', `the schema of ${tool} is not JSON: ${problem.message}`);
    throw problem;
  }
}
