import { Inject } from '@nestjs/common';
import { timestampDate, timestampFromDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { ApiService, eventMessage, holds, invalid, mustHold, type Caller, type ServiceImplementation } from '@writ/api';
import {
  formatPosition,
  parsePosition,
  partitionsOf,
  refuse,
  type LedgerEvent,
  type Position,
} from '@writ/ledger/domain';
import {
  AuditService,
  type ExportBundleRequest,
  type GetAuditEventRequest,
  type GetConsistencyProofRequest,
  type GetInclusionProofRequest,
  type SearchEventsRequest,
} from '@writ/proto/audit/v1/audit';
import { Checkpoints } from '../checkpoint/checkpoints.js';
import { IntegrityChecker, type Integrity } from '../integrity/checker.js';
import { leafHash } from '../tree/hashing.js';
import { AuditQueries, type LeafRow, type Search } from './audit.queries.js';

const DEFAULT_PAGE = 100;
const MAX_BUNDLE = 50_000;
const WAIT_MS = 10_000;
const WAIT_STEP_MS = 50;

/** Implements `writ.audit.v1.AuditService`. */
@ApiService(AuditService)
export class AuditApi implements ServiceImplementation<typeof AuditService> {
  constructor(
    @Inject(AuditQueries) private readonly leaves: AuditQueries,
    @Inject(Checkpoints) private readonly checkpoints: Checkpoints,
    @Inject(IntegrityChecker) private readonly integrity: IntegrityChecker,
  ) {}

  async searchEvents(request: SearchEventsRequest, caller: Caller) {
    mustHold(caller, 'audit.read', request.run || request.subject);
    await this.upTo(request.after, caller.signal);
    const limit = request.pageSize || DEFAULT_PAGE;
    const { agent, run, type, subject } = request;
    const rows = await this.leaves.search({
      ...searchOf(caller, request),
      ...present({ agent, run, type, subject }),
      ...(request.pageToken !== '' && { after: leafNumber(request.pageToken) }),
      ascending: request.ascending,
      limit,
    });
    const next = rows.length === limit ? String(rows.at(-1)?.leaf ?? '') : '';
    return { events: rows.map(auditEventOf), nextPageToken: next };
  }

  async getAuditEvent({ id }: GetAuditEventRequest, caller: Caller) {
    const row = await this.leafOf(caller, id);
    return { event: auditEventOf(row), line: row.line };
  }

  async getCheckpoint() {
    const { checkpoint } = this.latest();
    return {
      checkpoint: checkpoint.note,
      treeSize: BigInt(checkpoint.size),
      rootHash: Buffer.from(checkpoint.root).toString('base64'),
      verifierKey: this.checkpoints.key.verifier,
    };
  }

  async getInclusionProof({ id, treeSize }: GetInclusionProofRequest, caller: Caller) {
    const { leaf } = await this.leafOf(caller, id);
    const { checkpoint, tree } = this.latest();
    const size = Number(treeSize) || checkpoint.size;
    if (leaf >= size || size > checkpoint.size)
      throw refuse(
        'audit.bad_size',
        `leaf ${leaf} is not in a tree of ${size} leaves; the newest checkpoint has ${checkpoint.size}`,
      );
    return { leafIndex: BigInt(leaf), treeSize: BigInt(size), hashes: (await tree.inclusion(leaf, size)).map(base64) };
  }

  async getConsistencyProof(request: GetConsistencyProofRequest) {
    const { checkpoint, tree } = this.latest();
    const from = Number(request.from);
    const to = Number(request.to) || checkpoint.size;
    if (from > to || to > checkpoint.size)
      throw refuse(
        'audit.bad_size',
        `no tree of ${to} leaves extends one of ${from}; the newest checkpoint has ${checkpoint.size}`,
      );
    return { hashes: (await tree.consistency(from, to)).map(base64) };
  }

  async exportBundle(request: ExportBundleRequest, caller: Caller) {
    mustHold(caller, 'audit.read', request.run);
    await this.upTo(request.after, caller.signal);
    const { agent, run } = request;
    const search = { ...searchOf(caller, request), ...present({ agent, run }), ascending: true, limit: MAX_BUNDLE + 1 };
    const rows = await this.leaves.search(search);
    const { checkpoint, tree } = await this.covering(rows.at(-1)?.leaf ?? -1, caller.signal);
    if (rows.length > MAX_BUNDLE)
      throw refuse('audit.too_many', `more than ${MAX_BUNDLE} events; ask for less time at once`);
    const events = [];
    for (const { leaf, line } of rows)
      events.push({ line, index: leaf, proof: (await tree.inclusion(leaf, checkpoint.size)).map(base64) });
    const bundle = { format: 'writ-bundle/1', origin: this.checkpoints.key.name, checkpoint: checkpoint.note, events };
    return { bundle: JSON.stringify(bundle), events: events.length };
  }

  async checkIntegrity() {
    return { integrity: integrityOf(await this.integrity.check()) };
  }

  async getIntegrity() {
    return { integrity: integrityOf(this.integrity.latest ?? (await this.integrity.check())) };
  }

  private latest() {
    const latest = this.checkpoints.latest();
    if (latest) return latest;
    const { broken } = this.checkpoints;
    if (broken) throw refuse('audit.record_broken', broken.message, { kind: broken.kind });
    throw refuse('audit.no_checkpoint', 'this replica does not keep the record, or could not seal it; try again');
  }

  /** The newest checkpoint that has this leaf: the index may be a moment ahead of it. */
  private async covering(leaf: number, signal: AbortSignal) {
    for (const end = performance.now() + WAIT_MS; performance.now() < end && !signal.aborted; await step()) {
      const latest = this.latest();
      if (latest.checkpoint.size > leaf) return latest;
    }
    throw refuse('audit.behind', `no checkpoint has leaf ${leaf} within ${WAIT_MS} ms; try again`);
  }

  private async leafOf(caller: Caller, id: string): Promise<LeafRow> {
    const row = await this.leaves.byId(caller.tenant, id);
    if (row && mayRead(caller, row)) return row;
    throw refuse('audit.not_found', `no event ${id} is in the record; a new one takes up to a second to get there`, {
      id,
    });
  }

  /** Waits until the record, its checkpoint and the index have a position. */
  private async upTo(after: string, signal: AbortSignal): Promise<void> {
    if (after === '') return;
    const { service, partition, commit } = positionOf(after);
    for (const end = performance.now() + WAIT_MS; performance.now() < end && !signal.aborted;) {
      if (await this.leaves.has(service, partition, commit)) return;
      await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
    }
    throw refuse('audit.behind', `the record has not reached ${after} within ${WAIT_MS} ms; try again`);
  }
}

function step(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
}

/** Of a grant that names runs, the events of those and about those. */
function mayRead(caller: Caller, { line }: LeafRow): boolean {
  const { subject, actor } = JSON.parse(line) as LedgerEvent;
  return [subject, actor.run ?? '', ''].some((resource) => holds(caller, 'audit.read', resource));
}

function positionOf(text: string): Position {
  try {
    const position = parsePosition(text);
    const partitions: Readonly<Record<string, number>> = partitionsOf;
    if (Object.hasOwn(partitions, position.service) && position.partition < (partitions[position.service] as number))
      return position;
  } catch {
    // told below
  }
  throw refuse(
    'audit.bad_position',
    `'${text.slice(0, 80)}' is not a position; use one that came with a write, such as scheduler/07/123/0`,
  );
}

function leafNumber(pageToken: string): number {
  if (/^\d{1,15}$/.test(pageToken)) return Number(pageToken);
  throw invalid([{ field: 'page_token', detail: 'is not a token that a search gave' }]);
}

function searchOf(caller: Caller, { fromTime, toTime }: Pick<SearchEventsRequest, 'fromTime' | 'toTime'>) {
  return {
    tenant: caller.tenant,
    ...(fromTime && { from: dateOf(fromTime, 'from_time') }),
    ...(toTime && { to: dateOf(toTime, 'to_time') }),
  };
}

/** Over gRPC a timestamp may lie where no date of JavaScript and of PostgreSQL is. */
function dateOf(timestamp: Timestamp, field: string): Date {
  const date = timestampDate(timestamp);
  if (date.getTime() >= Date.parse('0001-01-01T00:00:00Z') && date.getTime() < Date.parse('+010000-01-01T00:00:00Z'))
    return date;
  throw invalid([{ field, detail: 'is not between the years 1 and 9999' }]);
}

/** The fields that are not empty: absent is empty in proto3. */
function present(fields: { [K in 'agent' | 'run' | 'type' | 'subject']?: string }): Partial<Search> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

function auditEventOf(row: LeafRow) {
  const { leaf, line, service, partition, commit, index } = row;
  return {
    leafIndex: BigInt(leaf),
    leafHash: base64(leafHash(Buffer.from(line))),
    event: eventMessage(JSON.parse(line) as LedgerEvent, formatPosition({ service, partition, commit, index })),
  };
}

function integrityOf({ problems, commits, treeSize, time }: Integrity) {
  return {
    problems: problems.map((problem) => ({
      ...problem,
      firstCommit: BigInt(problem.firstCommit),
      lastCommit: BigInt(problem.lastCommit),
    })),
    commits: BigInt(commits),
    treeSize: BigInt(treeSize),
    time: timestampFromDate(time),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
