// How far each log file was shipped, kept across restarts of the agent.
import { join } from 'node:path';
import * as z from 'zod';
import type { ErrorLog } from '../error-log.ts';
import { savedFile } from '../saved-file.ts';

const positionSchema = z.object({
  /** Our own name for this very file: a new file of the same name, or inode number, has another. */
  generation: z.string(),
  inode: z.number(),
  /** Everything before it was shipped. */
  offset: z.number(),
  /** A hash of the last bytes before the offset, which shows whether the file was written anew. */
  fingerprint: z.string(),
});

export type Position = Readonly<z.output<typeof positionSchema>>;

export type Positions = {
  get(path: string): Position | undefined;
  /** Resolves when the position is on disk, or could not be written. Calls must not overlap. */
  set(path: string, position: Position): Promise<void>;
};

/** If the file is damaged, all logs are shipped again. */
export async function openPositions(folder: string, errors: ErrorLog): Promise<Positions> {
  const schema = z.record(z.string(), positionSchema);
  const file = savedFile(join(folder, 'logs.json'), schema, 'the positions of log files', errors);
  const positions = new Map(Object.entries((await file.read()) ?? {}));
  return {
    get: (path) => positions.get(path),
    set: async (path, position) => {
      positions.set(path, position);
      await file.write(Object.fromEntries(positions));
    },
  };
}
