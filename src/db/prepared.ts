// Statements that each connection prepares once, because planning them every time is felt: a pool for Kysely that gives
// them their names, and leaves all others alone. Knows no statement itself.
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { Pool, PoolClient } from 'pg';

/** Text of a statement → the name under which connections prepare it. */
export type PreparedNames = ReadonlyMap<string, string>;

/** The same pool, for `PostgresDialect`. */
export function preparing(pool: Pool, names: PreparedNames): PostgresPool {
  return {
    options: pool.options,
    connect: async () => new PreparingClient(await pool.connect(), names),
    end: () => pool.end(),
  };
}

class PreparingClient implements PostgresPoolClient {
  readonly #client: PoolClient;
  readonly #names: PreparedNames;

  constructor(client: PoolClient, names: PreparedNames) {
    this.#client = client;
    this.#names = names;
  }

  query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query(text: string | PostgresCursor<unknown>, values: readonly unknown[] = []): unknown {
    if (typeof text !== 'string') throw new Error('Kysely was given no cursor, and wants one.');
    const name = this.#names.get(text);
    return this.#client.query({ text, values: [...values], ...(name !== undefined && { name }) });
  }

  release(destroy?: boolean): void {
    this.#client.release(destroy);
  }
}
