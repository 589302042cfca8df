import type { DescMessage, JsonObject, JsonValue, Message } from '@bufbuild/protobuf';
import { refuse } from '@writ/ledger/domain';
import type { HttpBinding } from '../contract/contract.js';
import { invalid, type FieldViolation } from '../errors/failure.js';
import type { Headers } from '../kernel/caller.js';
import type { Kernel, Served } from '../kernel/kernel.js';
import { isTooWide, mostValues } from './json-width.js';
import { place, planParameter, type ParameterPlan } from './parameters.js';

/** Request headers that stand for a field of the request, where the request has one of these and it was not given. */
const headerFields: readonly (readonly [header: string, fields: readonly string[]])[] = [
  ['idempotency-key', ['request_id', 'idempotency_key']],
  ['if-match', ['etag']],
  ['last-event-id', ['after']],
];

/** Makes requests of one binding out of path, query and body. Everything that the descriptor decides is decided once. */
export class RequestReader {
  private readonly input: DescMessage;
  private readonly variables: readonly ParameterPlan[];
  private readonly query = new Map<string, ParameterPlan>();
  private readonly bodyField: string | undefined;
  private readonly fromHeaders: readonly (readonly [string, ParameterPlan])[];

  constructor(
    private readonly kernel: Kernel,
    served: Served,
    private readonly binding: HttpBinding,
  ) {
    const { desc, name } = served.contract;
    this.input = desc.input;
    this.variables = binding.template.variables.map(({ field }) => {
      const plan = planParameter(this.input, field);
      if (!plan || plan.repeated)
        throw new Error(`${name}: the path variable ${field.join('.')} is no plain field of ${this.input.typeName}`);
      return plan;
    });
    if (binding.body !== undefined && binding.body !== '*') this.bodyField = this.jsonName(binding.body, name);
    if (binding.responseBody !== undefined && !desc.output.fields.some((each) => each.name === binding.responseBody))
      throw new Error(`${name}: ${desc.output.typeName} has no field ${binding.responseBody}`);
    this.fromHeaders = headerFields.flatMap(([header, fields]) => {
      const plan = fields.map((field) => planParameter(this.input, [field])).find((each) => each !== undefined);
      return plan ? [[header, plan] as const] : [];
    });
  }

  /**
   * @param values decoded path variables, in the template's order.
   * @param query the raw query string, or undefined.
   * @param body the bytes of the body, or undefined when there is none.
   * @throws DomainError `request.malformed`, `request.invalid`
   */
  read(values: readonly string[], query: string | undefined, body: Uint8Array | undefined, headers: Headers): Message {
    const json: JsonObject = this.readBody(body);
    const violations: FieldViolation[] = [];
    const note = (violation: FieldViolation | undefined) => violation && violations.push(violation);
    if (query) this.readQuery(query, json, note);
    for (const [index, plan] of this.variables.entries()) note(place(json, plan, [values[index] as string]));
    for (const [header, plan] of this.fromHeaders) {
      const text = headers.get(header);
      if (text !== undefined && json[plan.path[0] as string] === undefined) note(place(json, plan, [text]));
    }
    if (violations.length > 0) throw invalid(violations);
    return this.kernel.decodeJson(this.input, json);
  }

  private readBody(body: Uint8Array | undefined): JsonObject {
    if (this.binding.body === undefined || body === undefined) return {};
    if (isTooWide(body)) throw refuse('request.too_large', `the body holds more than ${mostValues} values`);
    const text = textOf(body);
    if (text.trim() === '') return {};
    const value = parseJson(text);
    if (this.bodyField !== undefined) return { [this.bodyField]: value };
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      throw refuse('request.malformed', 'the body must be a JSON object');
    return value;
  }

  private readQuery(query: string, json: JsonObject, note: (violation: FieldViolation | undefined) => void): void {
    const texts = new Map<string, string[]>();
    for (const [name, text] of new URLSearchParams(query)) {
      const before = texts.get(name);
      if (before) before.push(text);
      else texts.set(name, [text]);
    }
    for (const [name, list] of texts) {
      const plan = this.queryPlan(name);
      if (plan) note(place(json, plan, list));
      else note({ field: name, detail: `there is no query parameter ${name}` });
    }
  }

  private queryPlan(name: string): ParameterPlan | undefined {
    const known = this.query.get(name);
    if (known) return known;
    // With `body: "*"` every field that the path does not name is in the body: there are no query parameters.
    if (this.binding.body === '*') return undefined;
    const plan = planParameter(this.input, name.split('.'));
    if (!plan || plan.path[0] === this.bodyField) return undefined;
    this.query.set(name, plan);
    return plan;
  }

  private jsonName(protoName: string, method: string): string {
    const field = this.input.fields.find((each) => each.name === protoName);
    if (!field) throw new Error(`${method}: ${this.input.typeName} has no field ${protoName}`);
    return field.jsonName;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** JSON between systems is UTF-8 (RFC 8259 section 8.1); anything else would be stored as something that nobody sent. */
function textOf(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw refuse('request.malformed', 'the body is no UTF-8');
  }
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw refuse('request.malformed', 'the body is no JSON');
  }
}
