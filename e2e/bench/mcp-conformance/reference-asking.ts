import { randomBytes } from 'node:crypto';
import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  type CallToolResult,
  type InputRequest,
  type InputRequests,
  type InputRequiredResult,
  type ClientCapabilities,
  type ServerContext,
} from '@modelcontextprotocol/server';

/** What a tool was called with, and what the client answered so far. */
export interface Asked {
  readonly input: Record<string, unknown>;
  readonly answers: Readonly<Record<string, unknown>>;
}

interface Step {
  readonly step: number;
}

/** Signs what a client carries from one round to the next. */
export const states = createRequestStateCodec<Step>({ key: randomBytes(32) });

const text = (said: string): CallToolResult => ({ content: [{ type: 'text', text: said }] });
const string = { type: 'string' } as const;

function elicit(message: string, properties: Record<string, object>, required = Object.keys(properties)): InputRequest {
  const requestedSchema = { type: 'object', properties, required };
  return inputRequired.elicit({ message, requestedSchema } as Parameters<typeof inputRequired.elicit>[0]);
}

function sample(question: string, maxTokens = 100): InputRequest {
  return inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: question } }],
    maxTokens,
  });
}

const options = { type: 'string', enum: ['option1', 'option2', 'option3'] } as const;
const titled = (first: string) =>
  [1, 2, 3].map((index) => ({ const: `value${index}`, title: `${['First', 'Second', 'Third'][index - 1]} ${first}` }));

const defaults = {
  name: { type: 'string', description: 'User name', default: 'John Doe' },
  age: { type: 'integer', description: 'User age', default: 30 },
  score: { type: 'number', description: 'User score', default: 95.5 },
  status: { type: 'string', description: 'User status', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', description: 'Verification status', default: true },
};

const enums = {
  untitledSingle: options,
  titledSingle: { type: 'string', oneOf: titled('Option') },
  legacyEnum: {
    type: 'string',
    enum: ['opt1', 'opt2', 'opt3'],
    enumNames: ['Option One', 'Option Two', 'Option Three'],
  },
  untitledMulti: { type: 'array', minItems: 1, maxItems: 3, items: options },
  titledMulti: { type: 'array', minItems: 1, maxItems: 3, items: { anyOf: titled('Choice') } },
};

/** A tool that asks for all of these, and answers when it has them. */
function asks(
  description: string,
  requests: (input: Record<string, unknown>) => InputRequests,
  done: (asked: Asked) => string,
) {
  return {
    definition: { description },
    run: (asked: Asked): CallToolResult | InputRequiredResult => {
      const inputRequests = requests(asked.input);
      const complete = Object.keys(inputRequests).every((name) => isAnswer(asked.answers[name]));
      return complete ? text(done(asked)) : inputRequired({ inputRequests });
    },
  };
}

function isAnswer(answer: unknown): boolean {
  return (
    typeof answer === 'object' && answer !== null && ['action', 'role', 'roots'].some((member) => member in answer)
  );
}

/** The same with a signed state, over so many rounds. */
function askingWithState(description: string, rounds: readonly InputRequests[], done: string) {
  return {
    definition: { description },
    run: async ({ answers }: Asked, context: ServerContext): Promise<CallToolResult | InputRequiredResult> => {
      const { step } = context.mcpReq.requestState<Step>() ?? { step: 0 };
      const answered = step > 0 && Object.keys(rounds[step - 1] ?? {}).every((name) => isAnswer(answers[name]));
      const next = answered ? step : Math.max(0, step - 1);
      const inputRequests = rounds[next];
      if (inputRequests === undefined) return text(done);
      return inputRequired({ inputRequests, requestState: await states.mint({ step: next + 1 }, context) });
    },
  };
}

const userName = { user_name: elicit('What is your name?', { name: string }) };
const confirm = { confirm: elicit('Please confirm', { ok: { type: 'boolean' } }) };

/** Tools that need something of the client. Over 2025-11-25 the SDK turns each request into one of the server's own. */
export const asking = {
  test_sampling: asks(
    'Asks the model of the client',
    ({ prompt }) => ({ answer: sample(String(prompt)) }),
    ({ answers }) => `LLM response: ${JSON.stringify(answers['answer'])}`,
  ),
  test_elicitation: asks(
    'Asks the user of the client',
    ({ message }) => ({ answer: elicit(String(message), { response: { ...string, description: "User's response" } }) }),
    ({ answers }) => `User response: ${JSON.stringify(answers['answer'])}`,
  ),
  test_elicitation_sep1034_defaults: asks(
    'Asks with defaults',
    () => ({ answer: elicit('Please review and update the form fields with defaults', defaults, []) }),
    ({ answers }) => `Elicitation completed: ${JSON.stringify(answers['answer'])}`,
  ),
  test_elicitation_sep1330_enums: asks(
    'Asks for choices',
    () => ({ answer: elicit('Please select options from the enum fields', enums, []) }),
    ({ answers }) => `Elicitation completed: ${JSON.stringify(answers['answer'])}`,
  ),
  test_streaming_elicitation: asks(
    'Asks for a name',
    () => userName,
    () => 'it is there',
  ),
  test_input_required_result_elicitation: asks(
    'Asks for a name',
    () => userName,
    ({ answers }) => `Hello, ${JSON.stringify(answers['user_name'])}!`,
  ),
  test_input_required_result_sampling: asks(
    'Asks for a capital',
    () => ({ capital_question: sample('What is the capital of France?') }),
    ({ answers }) => JSON.stringify(answers['capital_question']),
  ),
  test_input_required_result_list_roots: asks(
    'Asks for roots',
    () => ({ client_roots: inputRequired.listRoots() }),
    ({ answers }) => JSON.stringify(answers['client_roots']),
  ),
  test_input_required_result_request_state: askingWithState('Asks with a state', [confirm], 'state-ok'),
  test_input_required_result_tampered_state: askingWithState('Asks with a state that is signed', [confirm], 'state-ok'),
  test_input_required_result_multiple_inputs: askingWithState(
    'Asks for three things',
    [
      {
        ...userName,
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
    ],
    'all three are there',
  ),
  test_input_required_result_multi_round: askingWithState(
    'Asks twice',
    [
      { step1: elicit('Step 1: What is your name?', { name: string }) },
      { step2: elicit('Step 2: What is your favorite color?', { color: string }) },
    ],
    'both are there',
  ),
  test_input_required_result_capabilities: {
    definition: { description: 'Asks only for what the client can do' },
    run: (_asked: Asked, context: ServerContext): CallToolResult | InputRequiredResult => {
      const can = capabilitiesOf(context) ?? {};
      const inputRequests: InputRequests = {
        ...(can.sampling !== undefined && { answer: sample('Say yes') }),
        ...(can.elicitation !== undefined && userName),
      };
      return Object.keys(inputRequests).length === 0 ? text('nothing to ask') : inputRequired({ inputRequests });
    },
  },
};

/** What the client says that it can do; undefined before 2026-07-28, where a session knows it. */
export function capabilitiesOf({ mcpReq }: ServerContext): ClientCapabilities | undefined {
  return (mcpReq.envelope as Record<string, ClientCapabilities> | undefined)?.[CLIENT_CAPABILITIES_META_KEY];
}
