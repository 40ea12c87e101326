// A pool for Kysely that names some statements, so that each connection prepares them once: planning them every time would
// be noticeably slower.
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { Pool, PoolClient } from 'pg';

/** Text of a statement → the name of its prepared statement. */
export type PreparedNames = ReadonlyMap<string, string>;

/** The same pool, for `PostgresDialect`. */
export function withPreparedStatements(pool: Pool, names: PreparedNames): PostgresPool {
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
    if (typeof text !== 'string') throw new Error('Kysely asked for a cursor, but none is configured.');
    const name = this.#names.get(text);
    return this.#client.query({ text, values: [...values], ...(name !== undefined && { name }) });
  }

  release(destroy?: boolean): void {
    this.#client.release(destroy);
  }
}
