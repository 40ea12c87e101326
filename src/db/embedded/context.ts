// What one start of the embedded Postgres works with, once folder, user and programs are known.
import type { Binaries } from './binaries.ts';
import type { Owner } from './file-lock.ts';
import type { Places } from './places.ts';
import type { Account } from './run-program.ts';
import type { Settings } from './settings.ts';

export type Context = {
  readonly places: Places;
  readonly binaries: Binaries;
  /** For the programs of Postgres. */
  readonly env: Record<string, string>;
  /** Who runs Postgres; undefined: the user of this process. */
  readonly account: Account | undefined;
  /** Who gets the files that are the allocator's own; undefined: they stay as we make them. */
  readonly keeper: Owner | undefined;
  readonly settings: Settings;
  /** Told, in sentences, what happens after the start. */
  readonly log: (line: string) => void;
};
