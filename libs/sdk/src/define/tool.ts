import { WritError } from '../errors/errors.js';
import type { StepContext } from './context.js';
import type { Duration } from './duration.js';
import type { DescribedSchema, In, Out } from './schema.js';
import { checkName, define, type Retry } from './workflow.js';

/** A tool whose code runs in your worker and whose every call policy sees: `ctx.call(tool, input)`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- "some tool" must accept every input; `unknown` would accept none
export interface Tool<I = any, O = any> {
  readonly kind: 'tool';
  readonly name: string;
  /** Only for the compiler; not there at run time. */
  readonly '~types': { input: I; output: O };
}

/** What was given to `tool`, with its types erased: for the executor. */
export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly input: DescribedSchema;
  readonly output?: DescribedSchema;
  readonly effect: 'read' | 'write' | 'irreversible';
  readonly retry?: Retry;
  readonly timeout?: Duration;
  readonly redact?: readonly string[];
  /** Set for the platform's own tools (`recall`, …), whose effect happens on the server. */
  readonly remote?: string;
  run(input: unknown, ctx: StepContext): Promise<unknown>;
}

/**
 * Defines a governed tool. Policy is asked with the exact arguments before each call, the intent is in the ledger before `run` begins and the
 * outcome after it. The input schema must describe itself as JSON Schema, because policies are typed from it.
 */
export function tool<IS extends DescribedSchema, R, OS extends DescribedSchema = never>(def: {
  name: string;
  description: string;
  input: IS;
  output?: OS;
  /** `irreversible`: never tried again once it may have begun; its outcome is then `unknown`, and said so. */
  effect: 'read' | 'write' | 'irreversible';
  retry?: Retry;
  timeout?: Duration;
  /** Names of input properties whose values stay out of the ledger and of approvals. */
  redact?: readonly string[];
  run(input: Out<IS>, ctx: StepContext): Promise<[OS] extends [never] ? R : Out<OS>>;
}): Tool<In<IS>, [OS] extends [never] ? R : Out<OS>> {
  checkName('tool', def.name);
  if (typeof def.input?.['~standard']?.jsonSchema?.input !== 'function')
    throw new WritError(`the input schema of the tool '${def.name}' cannot describe itself as JSON Schema`, {
      code: 'input.invalid',
      hint: 'use zod 4 or arktype 2, or wrap a valibot schema with toStandardJsonSchema of @valibot/to-json-schema',
    });
  return define({ kind: 'tool', name: def.name }, def);
}

/** The JSON Schema (draft 2020-12) of a tool's input. */
export function inputSchemaOf(def: ToolDefinition): Record<string, unknown> {
  return def.input['~standard'].jsonSchema.input({ target: 'draft-2020-12' });
}
