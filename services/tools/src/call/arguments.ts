import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { refuse, type Json } from '@writ/ledger/domain';
import type { ToolDefinition } from '../server/server.events.js';

/** Compiled schemas that are kept. */
const KEPT = 1_000;
/** Violations that a refusal tells. */
const TOLD = 10;

const options = {
  strict: false,
  allErrors: false,
  addUsedSchema: false,
  validateFormats: true,
  logger: false,
} as const;

/**
 * Arguments against the schema that a person approved. Without `$schema` that is JSON Schema 2020-12, as MCP has it;
 * draft-07 where it says so. A `$ref` to the outside is never fetched: such a schema is refused.
 */
export class ArgumentRules {
  private readonly compiled = new Map<string, ValidateFunction>();

  /** @throws DomainError `tools.bad_arguments` with the violations, `tools.bad_schema` */
  check(tool: string, { hash, inputSchema }: Pick<ToolDefinition, 'hash' | 'inputSchema'>, input: Json): void {
    const validate = this.compiled.get(hash) ?? this.compile(tool, hash, inputSchema);
    if (validate(input)) return;
    const violations = (validate.errors ?? []).slice(0, TOLD).map(({ instancePath, message, params }) => ({
      field: `arguments${instancePath.replaceAll('/', '.')}`,
      detail: `${message ?? 'does not fit'}${named(params)}`,
    }));
    const [first] = violations;
    throw refuse('tools.bad_arguments', `${tool}: ${first?.field ?? 'the arguments'} ${first?.detail ?? ''}`.trim(), {
      tool,
      violations,
    });
  }

  private compile(tool: string, hash: string, schema: { [key: string]: Json }): ValidateFunction {
    try {
      // Each schema has a validator of its own: two tools may give their schemas the same `$id`.
      const ajv = isDraft07(schema) ? new Ajv(options) : new Ajv2020(options);
      formats.default(ajv);
      const { $schema: _, ...rules } = schema;
      const validate = ajv.compile(rules);
      if (this.compiled.size >= KEPT) this.compiled.delete(this.compiled.keys().next().value as string);
      this.compiled.set(hash, validate);
      return validate;
    } catch (problem) {
      throw refuse('tools.bad_schema', `the schema of ${tool} cannot be used: ${(problem as Error).message}`, { tool });
    }
  }
}

function isDraft07({ $schema }: { [key: string]: Json }): boolean {
  return typeof $schema === 'string' && /json-schema\.org\/draft-0[67]\/schema#?$/.test($schema);
}

/** The name that ajv leaves out of its message. */
function named(params: Record<string, unknown>): string {
  const name = params['additionalProperty'] ?? params['unevaluatedProperty'];
  return typeof name === 'string' ? ` (${name})` : '';
}
