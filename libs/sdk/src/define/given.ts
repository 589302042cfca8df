import { encodeBytes } from '../codec/codec.js';
import { WritError } from '../errors/errors.js';
import type { Schema } from './schema.js';
import { parse } from './schema.js';
import type { WorkflowDefinition } from './workflow.js';

type Definition = Pick<WorkflowDefinition, 'name' | 'messages' | 'queries' | 'updates'>;

/** Of what a run is sent or asked, where its workflow is known. */
const codes = { message: 'run.unknown_message', query: 'run.no_handler', update: 'run.no_handler' } as const;

/**
 * What is sent to a run, or asked of it, held against what its workflow declares, where that is known; as bytes.
 * @throws WritError `input.invalid`; `run.unknown_message`, `run.no_handler` for a name that is not declared
 */
export async function givenBytes(
  definition: Definition | undefined,
  kind: keyof typeof codes,
  name: string,
  data: unknown,
): Promise<Uint8Array | undefined> {
  if (definition)
    await parse(
      schemaOf(definition, kind, name),
      data,
      `the ${kind === 'message' ? '' : 'input of the '}${kind} '${name}'`,
    );
  return data === undefined ? undefined : encodeBytes(data);
}

function schemaOf(
  { name: workflow, messages = {}, queries = {}, updates = {} }: Definition,
  kind: keyof typeof codes,
  name: string,
): Schema | undefined {
  const declared = { message: messages, query: queries, update: updates }[kind];
  if (!Object.hasOwn(declared, name))
    throw new WritError(
      `the workflow '${workflow}' declares no ${kind} '${name}', only: ${Object.keys(declared).join(', ') || 'none'}`,
      { code: codes[kind] },
    );
  return kind === 'message' ? messages[name] : (kind === 'query' ? queries : updates)[name]?.input;
}
