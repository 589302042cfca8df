import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import { invalid } from '@writ/api';
import type { ServerSpec as SpecMessage, ToolSchema, ToolServerSchema } from '@writ/proto/tools/v1/tools';
import type { ConnectionState } from '../upstream/connections.js';
import type { Address } from '../upstream/upstream.js';
import type { MayAsk } from './server.events.js';
import { withoutValues } from '../upstream/sealed-env.js';
import { stateOf } from './server.js';
import type { ServerRow, ToolRow } from './server.view.js';

/** @throws DomainError `request.invalid` */
export function specOf(message: SpecMessage | undefined): Address['spec'] {
  const transport = message?.transport;
  const asks = message?.mayAsk ?? [];
  const mayAsk = asks.length === 0 ? {} : { mayAsk: asks as MayAsk[] };
  switch (transport?.case) {
    case 'stdio': {
      const { argv, env, mounts } = transport.value;
      return {
        kind: 'stdio',
        argv,
        env,
        mounts: mounts.map(({ source, target, writable }) => ({ source, target, writable })),
        ...mayAsk,
      };
    }
    case 'http':
      return { kind: 'http', url: transport.value.url, ...mayAsk };
    default:
      throw invalid([{ field: 'spec', detail: 'must say how the server is reached: stdio or http' }]);
  }
}

export function serverMessage(
  { name, spec, tools }: ServerRow,
  { state, error = '' }: ConnectionState,
): MessageInitShape<typeof ToolServerSchema> {
  switch (spec.kind) {
    case 'stdio':
      return {
        name,
        state,
        error,
        tools,
        spec: { transport: { case: 'stdio', value: withoutValues(spec) }, mayAsk: spec.mayAsk ?? [] },
      };
    case 'http':
      return {
        name,
        state,
        error,
        tools,
        spec: { transport: { case: 'http', value: spec }, mayAsk: spec.mayAsk ?? [] },
      };
    case 'worker': // workers come to us
      return { name, state: 'connected', tools, spec: {} };
  }
}

/** A tool for people who look after it: what it is now, and whether that is what was approved. */
export function toolMessage({ server, name, seen, approved }: ToolRow) {
  const shown = seen ?? approved;
  return {
    name: `${server}/${name}`,
    description: shown?.description ?? '',
    inputSchema: (shown?.inputSchema ?? {}) as JsonObject,
    state: stateOf({ seen: seen ?? undefined, approved: approved ?? undefined }),
    hash: shown?.hash ?? '',
    approvedHash: approved?.hash ?? '',
  } satisfies MessageInitShape<typeof ToolSchema>;
}
