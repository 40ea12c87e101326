// Follows one log file from the saved position, through truncation and rotation. Reads only.
import { createHash } from 'node:crypto';
import { constants, open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cutMessages, type LogMessage, type MessageLimits } from './messages.ts';
import type { Position, Positions } from './positions.ts';

export type LogBatch = {
  readonly messages: readonly LogMessage[];
  /** The position when these are shipped. */
  readonly after: Position;
};

export type Follower = {
  readonly path: string;
  /** Remembers which file has the name, from now on, also if it is renamed. Throws if the file cannot be read. */
  look(): Promise<void>;
  /** The next lines; null if there are none (yet). Throws if the file cannot be read. */
  next(limits: MessageLimits): Promise<LogBatch | null>;
  /** The batch was shipped. */
  advance(batch: LogBatch): Promise<void>;
  close(): Promise<void>;
};

export type FollowerOptions = {
  readonly positions: Positions;
  /** A last line without its end is shipped after this, and a rotated file is left after this. */
  readonly quietMs: number;
};

type OpenFile = { readonly handle: FileHandle; position: Position; quietSince: number | null };
type Bytes = { readonly context: Buffer; readonly data: Buffer; readonly isEnd: boolean };

/** Opening a pipe would wait for its writer. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;
const FINGERPRINT_BYTES = 64;
const GENERATION_LENGTH = 12;
/** A rotated file is searched among this many files of its folder. */
const NEIGHBOURS_MAX = 1_000;

export function createFollower(path: string, options: FollowerOptions): Follower {
  const { positions } = options;
  let current: OpenFile | null = null;
  // The file of the saved position was read to its end, and has another name by now.
  let isLeft = false;

  async function look(): Promise<OpenFile | null> {
    current ??= await openFile(path, isLeft ? undefined : positions.get(path), options);
    return current;
  }

  async function next(limits: MessageLimits): Promise<LogBatch | null> {
    const current = await look();
    if (!current) return null;
    isLeft = false;
    let bytes = await readAfter(current, limits);
    if (bytes === null) {
      current.position = await begin(path, current.position.inode, options);
      bytes = await readAfter(current, limits);
    }
    if (bytes === null || bytes.data.length === 0) {
      await leaveIfRotated(current);
      return null;
    }
    const takeRest = bytes.isEnd && isQuiet(current);
    const { messages, usedBytes } = cutMessages(bytes.data, current.position, { limits, takeRest });
    return usedBytes === 0 ? null : { messages, after: positionAfter(current.position, bytes, usedBytes) };
  }

  /** Whether the file has not grown for `quietMs`. */
  function isQuiet(file: OpenFile): boolean {
    file.quietSince ??= Date.now();
    return Date.now() - file.quietSince >= options.quietMs;
  }

  async function leaveIfRotated(file: OpenFile): Promise<void> {
    const named = await stat(path).catch(() => null);
    if (named?.ino === file.position.inode) file.quietSince = null;
    else if (isQuiet(file)) {
      await close();
      isLeft = true;
    }
  }

  async function close(): Promise<void> {
    const file = current;
    current = null;
    await file?.handle.close();
  }

  return {
    path,
    look: async () => {
      await look();
    },
    next,
    async advance({ after }) {
      if (!current) return;
      current.position = after;
      current.quietSince = null;
      await positions.set(path, after);
    },
    close,
  };
}

/** The file of the saved position, whatever its name is now; else the file of this name, from its beginning. */
async function openFile(
  path: string,
  kept: Position | undefined,
  options: FollowerOptions,
): Promise<OpenFile | null> {
  const handle = await openOrNull(path);
  const inode = handle ? (await handle.stat()).ino : null;
  if (handle && kept?.inode === inode) return { handle, position: kept, quietSince: null };
  const rotated = kept ? await findByInode(path, kept.inode) : null;
  if (rotated && kept) {
    await handle?.close();
    return { handle: rotated, position: kept, quietSince: null };
  }
  if (!handle || inode === null) return null;
  return { handle, position: await begin(path, inode, options), quietSince: null };
}

/** The generation is saved before anything is shipped under it: lines that are shipped again have the same ids. */
async function begin(path: string, inode: number, options: FollowerOptions): Promise<Position> {
  const generation = digest(`${path}\0${inode}\0${Date.now()}\0${Math.random()}`);
  const position = {
    generation: generation.slice(0, GENERATION_LENGTH),
    inode,
    offset: 0,
    fingerprint: digest(''),
  };
  await options.positions.set(path, position);
  return position;
}

/** The bytes after the position; null if those before it are not the ones that were shipped: the file has other content. */
async function readAfter({ handle, position }: OpenFile, limits: MessageLimits): Promise<Bytes | null> {
  const contextBytes = Math.min(position.offset, FINGERPRINT_BYTES);
  const start = position.offset - contextBytes;
  // More than a piece, or the end of a long one could not be recognized.
  const wanted = contextBytes + Math.max(limits.batchBytes, limits.pieceBytes + 1);
  // Mostly there is nothing new: no room for a whole batch then.
  const { size } = await handle.stat();
  const room = Math.min(wanted, Math.max(size - start, contextBytes) + 1);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(room), 0, room, start);
  const context = buffer.subarray(0, Math.min(bytesRead, contextBytes));
  if (digest(context) !== position.fingerprint) return null;
  return { context, data: buffer.subarray(contextBytes, bytesRead), isEnd: bytesRead < room };
}

function positionAfter(position: Position, { context, data }: Bytes, usedBytes: number): Position {
  const before = Buffer.concat([context, data.subarray(0, usedBytes)]);
  const fingerprint = digest(before.subarray(-FINGERPRINT_BYTES));
  return { ...position, offset: position.offset + usedBytes, fingerprint };
}

async function openOrNull(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, READ_WITHOUT_WAITING);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Log rotation keeps a renamed file in its folder. */
async function findByInode(path: string, inode: number): Promise<FileHandle | null> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.slice(0, NEIGHBOURS_MAX)) {
    const neighbour = join(folder, name);
    const stats = await stat(neighbour).catch(() => null);
    if (stats?.isFile() === true && stats.ino === inode) return openOrNull(neighbour);
  }
  return null;
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
