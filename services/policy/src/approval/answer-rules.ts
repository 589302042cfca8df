import { createContext, Script } from 'node:vm';
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { refuse, type Json } from '@writ/ledger/domain';

const options = { strict: false, addUsedSchema: false, logger: false } as const;
/** An agent wrote the schema: a pattern in it may take for ever. */
const longestMs = 100;
const call = new Script('check()');

/**
 * Holds the answer to a question to the JSON Schema that was asked for. What is not said to be draft-07 is 2020-12, and nothing outside is
 * fetched. A schema that cannot be used lets no answer pass: what is left is a denial.
 *
 * @throws DomainError `approval.bad_answer`
 */
export function checkAnswer(schema: Json, value: Json | undefined): void {
  let validate: ValidateFunction;
  try {
    const { $schema = '', ...rules } = schema as { [key: string]: Json };
    const ajv = /draft-0[67]/.test(String($schema)) ? new Ajv(options) : new Ajv2020(options);
    formats.default(ajv);
    validate = ajv.compile(typeof schema === 'object' ? rules : (schema as never));
  } catch (problem) {
    throw refuse('approval.bad_answer', `no answer fits a schema that cannot be used: ${(problem as Error).message}`);
  }
  let fits: unknown;
  try {
    fits = call.runInContext(createContext({ check: () => validate(value ?? null) }), { timeout: longestMs });
  } catch (cause) {
    throw refuse('approval.bad_answer', `the answer was not checked within ${longestMs} ms: ${String(cause)}`);
  }
  if (fits === true) return;
  const [first] = validate.errors ?? [];
  const where = `answer${(first?.instancePath ?? '').replaceAll('/', '.')}`;
  throw refuse('approval.bad_answer', `${where} ${first?.message ?? 'does not fit'}`, { schema });
}
