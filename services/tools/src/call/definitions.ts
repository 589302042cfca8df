import { refuse } from '@writ/ledger/domain';
import type { ServerSpec, ToolDefinition } from '../server/server.events.js';
import { stateOf } from '../server/server.js';
import type { ToolQueries, ToolRow } from '../server/server.view.js';

type Row = ToolRow & { spec: ServerSpec };

/** A tool whose definition is approved and, as far as the view knows, what the server offers. */
export interface Target {
  readonly server: string;
  readonly tool: string;
  readonly spec: ServerSpec;
  readonly definition: ToolDefinition;
}

/**
 * How long an approved definition is believed without a look at the view: what another replica removed may be called for so
 * long. That it changed is seen at the connection itself, whatever the view says.
 */
const BELIEVED_MS = 250;
const KEPT = 10_000;

/** Definitions as the view has them. Only what is approved is remembered, so an approval counts at once. */
export class Definitions {
  private readonly known = new Map<string, { row: Row; untilMs: number }>();
  private readonly asking = new Map<string, Promise<Row | undefined>>();

  constructor(private readonly tools: Pick<ToolQueries, 'tool'>) {}

  /** @param name `<server>/<tool>` @throws DomainError `tools.not_found|quarantined|definition_changed` */
  async target(tenant: string, name: string): Promise<Target> {
    const row = await this.of(tenant, name);
    if (row === undefined) throw refuse('tools.not_found', `there is no tool ${name}`);
    switch (stateOf({ seen: row.seen ?? undefined, approved: row.approved ?? undefined })) {
      case 'new':
        throw refuse('tools.quarantined', `${name} waits for a person to approve its definition`);
      case 'changed':
        throw refuse(
          'tools.definition_changed',
          `${name} is now ${row.seen?.hash}; a person approved ${row.approved?.hash} and must look at it again`,
        );
      case 'gone':
        throw refuse('tools.not_found', `${row.server} does not offer ${row.name} any more`);
      case 'approved':
        return { server: row.server, tool: row.name, spec: row.spec, definition: row.approved as ToolDefinition };
    }
  }

  async of(tenant: string, name: string): Promise<Row | undefined> {
    const key = `${tenant}\n${name}`;
    const found = this.known.get(key);
    if (found !== undefined && found.untilMs > performance.now()) return found.row;
    const asked = this.asking.get(key) ?? this.ask(tenant, name, key);
    this.asking.set(key, asked);
    return asked;
  }

  /** What changed in this process is looked up at the next call. */
  forget(tenant: string): void {
    for (const memory of [this.known, this.asking])
      for (const key of memory.keys()) if (key.startsWith(`${tenant}\n`)) memory.delete(key);
  }

  private async ask(tenant: string, name: string, key: string): Promise<Row | undefined> {
    const slash = Math.max(0, name.indexOf('/'));
    const untilMs = performance.now() + BELIEVED_MS;
    const answer = this.tools.tool(tenant, name.slice(0, slash), name.slice(slash + 1));
    try {
      const row = await answer;
      // Whoever forgot it meanwhile knows better than this answer.
      const current = this.asking.has(key);
      if (current && row?.approved && row.approved.hash === row.seen?.hash) this.remember(key, row, untilMs);
      return row;
    } finally {
      this.asking.delete(key);
    }
  }

  private remember(key: string, row: Row, untilMs: number): void {
    if (this.known.size >= KEPT) this.known.delete(this.known.keys().next().value as string);
    this.known.set(key, { row, untilMs });
  }
}
