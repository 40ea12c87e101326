// A pool for Kysely that names some statements, so that each connection prepares them once: planning them every time would
// be noticeably slower. A connection whose prepared statements are stale, or that takes no writes, is not used again.
import { errorCode, READ_ONLY, STALE_STATEMENT } from './errors.ts';
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
  #isSpent = false;

  constructor(client: PoolClient, names: PreparedNames) {
    this.#client = client;
    this.#names = names;
  }

  query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query(text: string | PostgresCursor<unknown>, values: readonly unknown[] = []): unknown {
    if (typeof text !== 'string') throw new Error('Kysely asked for a cursor, but none is configured.');
    return this.#run(text, [...values]);
  }

  async #run(text: string, values: unknown[]): Promise<unknown> {
    const name = this.#names.get(text);
    try {
      return await this.#client.query({ text, values, ...(name !== undefined && { name }) });
    } catch (error) {
      const code = errorCode(error) ?? '';
      const isStale = name !== undefined && STALE_STATEMENT.includes(code);
      if (isStale || code === READ_ONLY) this.#isSpent = true;
      // It was rejected before it ran, so it can run once more, unnamed. Within a transaction, which is lost, this fails.
      if (isStale) return this.#client.query({ text, values });
      throw error;
    }
  }

  /** A new connection prepares anew, and finds the server that takes writes by now. */
  release(destroy?: boolean): void {
    this.#client.release(destroy === true || this.#isSpent);
  }
}
