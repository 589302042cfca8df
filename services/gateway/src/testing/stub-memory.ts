import { ApiService, type ServiceImplementation } from '@writ/api';
import { refuse } from '@writ/ledger/domain';
import { MemoryService, type ForgetRequest, type RememberRequest } from '@writ/proto/memory/v1/memory';

/** Answers as the memory service does, and remembers nothing. */
@ApiService(MemoryService)
export class StubMemory implements ServiceImplementation<typeof MemoryService> {
  async remember({ scope }: RememberRequest) {
    return { id: `mem_${scope}`, position: 'memory/00/1/0' };
  }
  async recall() {
    return { memories: [] };
  }
  async listMemories() {
    return { memories: [] };
  }
  async forget({ id }: ForgetRequest): Promise<{ position: string }> {
    throw refuse('request.not_found', `there is no memory ${id}`);
  }
}
