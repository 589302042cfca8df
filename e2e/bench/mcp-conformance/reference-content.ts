import { inputRequired, type GetPromptResult, type InputRequiredResult } from '@modelcontextprotocol/server';

/** A red pixel. */
export const IMAGE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

export const resources = [
  { uri: 'test://static-text', name: 'static-text', description: 'A text', mimeType: 'text/plain' },
  { uri: 'test://static-binary', name: 'static-binary', description: 'An image', mimeType: 'image/png' },
  { uri: 'test://watched-resource', name: 'watched-resource', description: 'One to watch', mimeType: 'text/plain' },
] as const;

export const resourceTemplates = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'template',
    description: 'Data of an id',
    mimeType: 'application/json',
  },
] as const;

/** @returns undefined where there is none of this URI */
export function readResource(uri: string) {
  switch (uri) {
    case 'test://static-text':
      return { uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' };
    case 'test://static-binary':
      return { uri, mimeType: 'image/png', blob: IMAGE };
    case 'test://watched-resource':
      return { uri, mimeType: 'text/plain', text: 'Watched resource content' };
  }
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) return undefined;
  return {
    uri,
    mimeType: 'application/json',
    text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
  };
}

interface Prompt {
  readonly description: string;
  readonly arguments?: { name: string; description: string; required: boolean }[];
  run(input: Record<string, string>, answers: Readonly<Record<string, unknown>>): GetPromptResult | InputRequiredResult;
}

const user = (content: GetPromptResult['messages'][number]['content']) => ({ role: 'user', content }) as const;
const said = (text: string) => user({ type: 'text', text });
const named = (name: string) => ({ name, description: `The ${name}`, required: true });

export const prompts: Readonly<Record<string, Prompt>> = {
  test_simple_prompt: {
    description: 'Without arguments',
    run: () => ({ messages: [said('This is a simple prompt for testing.')] }),
  },
  test_prompt_with_arguments: {
    description: 'With arguments',
    arguments: [named('arg1'), named('arg2')],
    run: ({ arg1, arg2 }) => ({ messages: [said(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  },
  test_prompt_with_embedded_resource: {
    description: 'With a resource in it',
    arguments: [named('resourceUri')],
    run: ({ resourceUri = '' }) => ({
      messages: [
        user({
          type: 'resource',
          resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        }),
        said('Please process the embedded resource above.'),
      ],
    }),
  },
  test_prompt_with_image: {
    description: 'With an image in it',
    run: () => ({
      messages: [user({ type: 'image', data: IMAGE, mimeType: 'image/png' }), said('Please analyze the image above.')],
    }),
  },
  test_input_required_result_prompt: {
    description: 'Asks before it answers',
    run: (_input, answers) => {
      if (answers['user_context'] !== undefined) return { messages: [said('With the context that was given')] };
      return inputRequired({
        inputRequests: {
          user_context: inputRequired.elicit({
            message: 'What context should the prompt use?',
            requestedSchema: { type: 'object', properties: { context: { type: 'string' } }, required: ['context'] },
          }),
        },
      });
    },
  },
};
