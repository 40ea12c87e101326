// How far each log file was shipped, kept across restarts of the agent.
import { join } from 'node:path';
import { isRecord, parseJson } from '../json.ts';
import { readKept, replaceFile, setAside } from '../keep.ts';
import type { Troubles } from '../troubles.ts';

export type Position = {
  /** A name of our own for this very file: a new file under the same name, or number, has another. */
  readonly generation: string;
  readonly inode: number;
  /** Everything before it was shipped. */
  readonly offset: number;
  /** Of the last bytes before the offset: another file, or the same one written anew, has others. */
  readonly fingerprint: string;
};

export type Positions = {
  get(path: string): Position | undefined;
  /** Resolves once it is on disk, or is known not to get there. Calls must not overlap. */
  set(path: string, position: Position): Promise<void>;
};

const WRITING = 'writing how far logs were shipped';

/** Opens the positions in the agent's folder. Where their file makes no sense, it is set aside, and all is shipped anew. */
export async function openPositions(folder: string, troubles: Troubles): Promise<Positions> {
  const path = join(folder, 'logs.json');
  const positions = await read(path, troubles);
  return {
    get: (file) => positions.get(file),
    async set(file, position) {
      positions.set(file, position);
      try {
        await replaceFile(path, `${JSON.stringify(Object.fromEntries(positions))}\n`);
        troubles.over(WRITING);
      } catch (error) {
        troubles.tell(WRITING, String(error));
      }
    },
  };
}

async function read(path: string, troubles: Troubles): Promise<Map<string, Position>> {
  const text = await readKept(path);
  if (text === null) return new Map();
  const value = parseJson(text);
  const entries = isRecord(value)
    ? Object.entries(value).map(([file, given]) => [file, readPosition(given)] as const)
    : null;
  if (entries?.every((entry): entry is readonly [string, Position] => entry[1] !== null))
    return new Map(entries);
  await setAside(path);
  troubles.tell('reading how far logs were shipped', `${path} made no sense and was set aside`);
  return new Map();
}

function readPosition(value: unknown): Position | null {
  if (!isRecord(value)) return null;
  const { generation, inode, offset, fingerprint } = value;
  if (typeof generation !== 'string' || typeof fingerprint !== 'string') return null;
  if (typeof inode !== 'number' || typeof offset !== 'number') return null;
  return { generation, inode, offset, fingerprint };
}
