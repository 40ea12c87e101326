// Where the embedded Postgres keeps its files below the data folder, and what one start works with.
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import type { FileOwner } from './file-lock.ts';
import type { Account } from './run-program.ts';

/** All of the embedded Postgres. It appears by one rename, complete or not at all. */
const HOME = 'postgres';
/** The name of an incomplete `postgres`. */
export const INCOMPLETE_PREFIX = 'postgres.new-';

/** Absolute paths. */
export type Paths = {
  readonly dataDir: string;
  readonly home: string;
  /** What initdb creates. */
  readonly cluster: string;
  readonly logDir: string;
  readonly log: string;
  readonly password: string;
  /** Held while a process starts or stops the server. */
  readonly startLock: string;
  /** Held for the life of the process that will stop the server. */
  readonly ownerLock: string;
};

/** Settings of the server. */
export type Settings = Readonly<Record<string, string>>;

export type Context = {
  readonly paths: Paths;
  readonly binaries: Binaries;
  /** Programs of an earlier major, for a database that they created. */
  readonly earlier: {
    readonly find: (major: number) => Promise<Binaries | null>;
    /** Half a sentence. */
    readonly howToInstall: (major: number) => string;
  };
  /** For the programs of Postgres. */
  readonly env: Record<string, string>;
  /** The user of Postgres; undefined: the user of this process. */
  readonly account: Account | undefined;
  /** The owner of the allocator's own files; undefined: the user of this process. */
  readonly fileOwner: FileOwner | undefined;
  readonly settings: Settings;
  /** Takes sentences about what happens after the start. */
  readonly log: (line: string) => void;
};

/** The paths for a data folder, or for an incomplete home in it. */
export function pathsIn(dataDir: string, homeName: string = HOME): Paths {
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
