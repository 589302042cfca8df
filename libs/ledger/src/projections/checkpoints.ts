import type { DataSource, EntityManager } from 'typeorm';
import type { PartitionAddress } from '../log/commit.js';
import type { Projection } from './projection.js';

/** The checkpoint was moved by somebody else: a former or a next owner of the partition applies the same commits. */
export class CheckpointMoved extends Error {
  override readonly name = 'CheckpointMoved';
}

/** The checkpoint of one partition goes on. */
export interface Move {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** Where each projection stands, in the same database as its rows. One service a schema, so the service is not a column. */
export class Checkpoints {
  private readonly dataSource: DataSource;
  private readonly table: string;

  constructor(dataSource: DataSource) {
    this.dataSource = dataSource;
    const schema = 'schema' in dataSource.options ? dataSource.options.schema : undefined;
    this.table = schema ? `"${schema}".ledger_checkpoint` : 'ledger_checkpoint';
  }

  /** Makes the table where it is missing, which a role that may make none leaves alone where it is there. */
  async prepare(): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      // IF NOT EXISTS alone is not safe against two replicas that start together.
      await manager.query(`SELECT pg_advisory_xact_lock(hashtext('writ.ledger_checkpoint'))`);
      const [{ there }] = await manager.query<[{ there: boolean }]>('SELECT to_regclass($1) IS NOT NULL AS there', [
        this.table,
      ]);
      if (there) return;
      await manager.query(
        `CREATE TABLE ${this.table} (
           projection text NOT NULL, "partition" integer NOT NULL, version integer NOT NULL,
           "commit" bigint NOT NULL, parked text, PRIMARY KEY (projection, "partition"))`,
      );
    });
  }

  /** The last commit that was applied; 0 for a new projection, and for one of a new version after its `reset`. */
  async load(projection: Projection, { partition }: PartitionAddress): Promise<number> {
    const version = projection.version ?? 1;
    return this.dataSource.transaction(async (manager) => {
      await manager.query(
        `INSERT INTO ${this.table} VALUES ($1, $2, $3, 0, NULL) ON CONFLICT (projection, "partition") DO NOTHING`,
        [projection.name, partition, version],
      );
      const [row] = await manager.query<{ version: number; commit: string }[]>(
        `SELECT version, "commit" FROM ${this.table} WHERE projection = $1 AND "partition" = $2 FOR UPDATE`,
        [projection.name, partition],
      );
      if (row?.version === version) return Number(row.commit);
      await projection.reset?.(partition, manager);
      await manager.query(
        `UPDATE ${this.table} SET version = $3, "commit" = 0 WHERE projection = $1 AND "partition" = $2`,
        [projection.name, partition, version],
      );
      return 0;
    });
  }

  /** The last commit in the table; undefined when nothing was ever applied. */
  async peek(projection: string, partition: number): Promise<number | undefined> {
    const [row] = await this.dataSource.query<{ commit: string }[]>(
      `SELECT "commit" FROM ${this.table} WHERE projection = $1 AND "partition" = $2`,
      [projection, partition],
    );
    return row && Number(row.commit);
  }

  /**
   * `write` and the new checkpoints in one transaction. It does not wait for PostgreSQL's disk: what a crash of the server takes
   * back, it takes back with the checkpoint, and the ledger still has it.
   * @throws CheckpointMoved when one of the checkpoints is not at `from`; nothing was written
   */
  async advance(
    projection: string,
    moves: readonly Move[],
    write: ((manager: EntityManager) => Promise<void>) | undefined,
  ): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await manager.query('SET LOCAL synchronous_commit = off');
      // First: the rows' locks make a former owner of a partition wait, and then find its checkpoint moved.
      await this.move(manager, projection, moves);
      await write?.(manager);
    });
  }

  async park(projection: string, partition: number, reason: string): Promise<void> {
    await this.dataSource.query(`UPDATE ${this.table} SET parked = $3 WHERE projection = $1 AND "partition" = $2`, [
      projection,
      partition,
      reason,
    ]);
  }

  private async move(manager: EntityManager, projection: string, moves: readonly Move[]): Promise<void> {
    const [, moved] = await manager.query<[unknown, number]>(
      `UPDATE ${this.table} AS stored SET "commit" = move."to", parked = NULL
       FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS move ("partition", "from", "to")
       WHERE projection = $1 AND stored."partition" = move."partition" AND stored."commit" = move."from"`,
      [projection, moves.map(({ partition }) => partition), moves.map(({ from }) => from), moves.map(({ to }) => to)],
    );
    if (moved === moves.length) return;
    const wanted = moves.map(({ partition, from }) => `${from} on partition ${partition}`).join(', ');
    throw new CheckpointMoved(`checkpoint of ${projection} is not ${wanted}`);
  }
}

/** Makes the table of the checkpoints, for who hands projections a role that may make no tables. */
export function prepareCheckpoints(dataSource: DataSource): Promise<void> {
  return new Checkpoints(dataSource).prepare();
}
