// Where the embedded Postgres keeps what, below the data folder.
import { join } from 'node:path';

/** Below the data folder: all of the embedded Postgres. It appears by one rename, complete or not at all. */
const HOME = 'postgres';

/** Below the data folder: what initdb makes. */
export const CLUSTER_PATH = join(HOME, 'cluster');

/** Below the data folder: how a half-made `postgres` is named until it is complete. */
export const HALF_MADE_PREFIX = 'postgres.new-';

/** Absolute paths. */
export type Places = {
  readonly dataDir: string;
  readonly home: string;
  readonly cluster: string;
  readonly logDir: string;
  readonly log: string;
  readonly password: string;
  /** Held while a process starts or stops the server. */
  readonly startLock: string;
  /** Held as long as the process lives that will stop the server. */
  readonly ownerLock: string;
};

/** The places for a data folder, or for a half-made home in it. */
export function placesIn(dataDir: string, homeName: string = HOME): Places {
  const home = join(dataDir, homeName);
  return {
    dataDir,
    home,
    cluster: join(home, 'cluster'),
    logDir: join(home, 'log'),
    log: join(home, 'log', 'server.log'),
    password: join(home, 'password'),
    startLock: join(dataDir, 'postgres.start.lock'),
    ownerLock: join(dataDir, 'postgres.owner.lock'),
  };
}
