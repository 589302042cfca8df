import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { JsonObject } from '@bufbuild/protobuf';
import { MemoryService, type Memory as WireMemory } from '@writ/proto/memory/v1/memory';
import type { Calling, Session } from '../client/session.js';
import type { Memory } from '../tools.js';

const service = MemoryService.method;

/** The platform's memory tools, by their names: the effect happens on the server, under the run's own authority. */
export const memoryCalls: Readonly<
  Record<string, (session: Session, input: never, effectId: string, calling: Calling) => Promise<unknown>>
> = {
  async recall(session, input: { scope: string; query: string; limit: number }, effectId, calling) {
    const { memories } = await session.call(service.recall, { ...input, effectId }, calling);
    return memories.map(memoryOf);
  },
  async remember(
    session,
    { scope, text, attributes }: { scope: string; text: string; attributes?: JsonObject },
    effectId,
    calling,
  ) {
    const request = { scope, text, effectId, ...(attributes ? { attributes } : {}) };
    const { id } = await session.call(service.remember, request, calling);
    return { id };
  },
  async forget(session, { id, reason }: { id: string; reason?: string }, _effectId, calling) {
    await session.call(service.forget, { id, reason: reason ?? '' }, calling);
  },
};

function memoryOf({ id, scope, text, attributes, agent, run, createTime, score }: WireMemory): Memory {
  const createdAt = createTime ? timestampDate(createTime) : new Date(0);
  return { id, scope, text, attributes: attributes ?? {}, agent, run, createdAt, score };
}
