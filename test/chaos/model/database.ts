// The database of the model: the real functions of src/db compile their statements with Kysely, and a driver carries them out on
// the rows of the model, late, not at all, or without an answer.
import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely';
import type { Db } from '../../../src/db/connect.ts';
import type { Notice } from '../../../src/db/listen.ts';
import type { DB } from '../../../src/db/schema.gen.ts';
import type { Draw } from '../../support/draw.ts';
import type { Clock } from './clock.ts';
import { findStatement, type Known } from './statements.ts';
import { noteList } from './waiting-statements.ts';
import { noteFree, noteReports, takeSnapshot, type Snapshot, type World } from './world.ts';

/** What is wrong at the moment; it changes while a run goes on. */
export type Weather = {
  /** The server does not answer. */
  isDown: boolean;
  /** Shares of the statements. */
  lostBefore: number;
  lostAnswer: number;
  /** Of a claim or a delivery: somebody else was faster, or waited too long for a lock. */
  conflict: number;
  delayMs: number;
};

export type ModelServer = {
  readonly world: World;
  readonly clock: Clock;
  readonly draw: Draw;
  readonly weather: Weather;
  /** Called with each notification, when it is sent. */
  readonly notified: (notice: Notice) => void;
  /** The transaction that runs; there is one at a time, which is more than row locks would hold up. */
  transaction: { done: Promise<void> } | null;
};

class LostConnection extends Error {
  readonly code = 'ECONNRESET';
}
class Conflict extends Error {
  readonly code: string;
  constructor(code: string) {
    super('somebody else was faster');
    this.code = code;
  }
}
const UNIQUE_VIOLATION = '23505';
const LOCK_NOT_AVAILABLE = '55P03';

/** @param isCut whether the process that has this pool is dead */
export function createModelDatabase(server: ModelServer, isCut: () => boolean): Db {
  return new Kysely<DB>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => createDriver(server, isCut),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createIntrospector: (db) => new PostgresIntrospector(db),
    },
  });
}

type Connection = DatabaseConnection & { snapshot: Snapshot | null; done: () => void };

function createDriver(server: ModelServer, isCut: () => boolean): Driver {
  const { world, weather, draw, clock } = server;

  async function travel(): Promise<void> {
    if (weather.delayMs > 0) await clock.sleep(draw.below(weather.delayMs));
    if (isCut() || weather.isDown) throw new LostConnection('the connection was lost');
  }

  function commit(): void {
    const sent = world.notifications;
    world.notifications = [];
    noteFree(world);
    noteList(world);
    noteReports(world);
    for (const notice of sent) server.notified(notice);
  }

  function carryOut(statement: Known, parameters: readonly unknown[]): readonly object[] {
    if (statement.canConflict && draw.chance(weather.conflict))
      throw new Conflict(draw.oneOf([UNIQUE_VIOLATION, LOCK_NOT_AVAILABLE]));
    world.step += 1;
    const isBroken = statement.canConflict && world.sabotage === 'a claim is rolled back after its answer';
    const before = isBroken ? takeSnapshot(world) : null;
    const rows = statement.run(world, parameters, statement.text);
    if (draw.chance(0.2)) before?.undo();
    return rows;
  }

  function createConnection(): Connection {
    const connection: Connection = {
      snapshot: null,
      done: () => undefined,
      executeQuery: async <R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> => {
        if (draw.chance(weather.lostBefore)) throw new LostConnection('the connection was lost');
        await travel();
        while (connection.snapshot === null && server.transaction) await server.transaction.done;
        const statement = findStatement(sql);
        // Whoever sent it may swallow the error.
        if (!statement) world.problems.push(`the model does not know this statement: ${sql}`);
        const rows = (statement ? carryOut(statement, parameters) : []) as R[];
        if (connection.snapshot === null) commit();
        if (draw.chance(weather.lostAnswer)) throw new LostConnection('the answer was lost');
        await travel();
        return { rows };
      },
      // eslint-disable-next-line @typescript-eslint/require-await -- the interface asks for a generator
      streamQuery: async function* () {
        throw new Error('the model has no streams');
        yield { rows: [] };
      },
    };
    return connection;
  }

  async function begin(connection: Connection): Promise<void> {
    await travel();
    while (server.transaction) await server.transaction.done;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.transaction = { done: promise };
    connection.snapshot = takeSnapshot(world);
    connection.done = () => {
      // Kysely rolls back after a commit that failed, too: by then another transaction may run.
      connection.done = () => undefined;
      server.transaction = null;
      connection.snapshot = null;
      resolve(undefined);
    };
  }

  function rollBack(connection: Connection): void {
    connection.snapshot?.undo();
    connection.done();
  }

  function commitOrLose(connection: Connection): Promise<void> {
    const isLost = draw.chance(weather.lostBefore) || isCut() || weather.isDown;
    if (isLost) rollBack(connection);
    else {
      connection.done();
      commit();
    }
    if (!isLost && !draw.chance(weather.lostAnswer)) return Promise.resolve();
    return Promise.reject(new LostConnection('the connection was lost'));
  }

  return {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(createConnection()),
    beginTransaction: (connection) => begin(connection as Connection),
    commitTransaction: (connection) => commitOrLose(connection as Connection),
    rollbackTransaction: (connection) => {
      rollBack(connection as Connection);
      return Promise.resolve();
    },
    releaseConnection: () => Promise.resolve(),
    destroy: () => Promise.resolve(),
  };
}
