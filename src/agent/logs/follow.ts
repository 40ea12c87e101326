// Follows one log file: from where it was left, through truncation and rotation, as far as it is written. Reads; ships nothing.
import { createHash } from 'node:crypto';
import { constants, open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cutMessages, type LogMessage, type MessageLimits } from './messages.ts';
import type { Position, Positions } from './positions.ts';

export type LogBatch = {
  readonly messages: readonly LogMessage[];
  /** Where the file stands once these were shipped. */
  readonly after: Position;
};

export type Follower = {
  readonly path: string;
  /** What comes next; null where nothing has been written (yet). Throws where the file cannot be read. */
  next(limits: MessageLimits): Promise<LogBatch | null>;
  /** The batch was shipped. */
  advance(batch: LogBatch): Promise<void>;
  close(): Promise<void>;
};

export type FollowerOptions = {
  readonly positions: Positions;
  readonly now: () => number;
  readonly random: () => number;
  /** A last line without its end is taken as it is after so long, and a rotated file is left after so long. */
  readonly quietMs: number;
};

type OpenFile = { readonly handle: FileHandle; position: Position; quietSince: number | null };
type Bytes = { readonly context: Buffer; readonly data: Buffer; readonly isEnd: boolean };

/** Opening a pipe would wait for its writer. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;
const FINGERPRINT_BYTES = 64;
const GENERATION_LENGTH = 12;
/** A rotated file is looked for among so many of its neighbours. */
const NEIGHBOURS_MAX = 1_000;

export function createFollower(path: string, options: FollowerOptions): Follower {
  const { positions } = options;
  let current: OpenFile | null = null;
  // The file that the kept position belongs to was read to its end, and has another name by now.
  let isLeft = false;

  async function next(limits: MessageLimits): Promise<LogBatch | null> {
    current ??= await openFile(path, isLeft ? undefined : positions.get(path), options);
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

  /** True once the file has been waited for long enough since it last moved on. */
  function isQuiet(file: OpenFile): boolean {
    file.quietSince ??= options.now();
    return options.now() - file.quietSince >= options.quietMs;
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

/** The file that the kept position belongs to, by whatever name; else the one of this name, from its beginning. */
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

/** The generation is kept before anything is shipped under it: what is shipped again has the same ids. */
async function begin(path: string, inode: number, options: FollowerOptions): Promise<Position> {
  const generation = digest(`${path}\0${inode}\0${options.now()}\0${options.random()}`);
  const position = {
    generation: generation.slice(0, GENERATION_LENGTH),
    inode,
    offset: 0,
    fingerprint: digest(''),
  };
  await options.positions.set(path, position);
  return position;
}

/** What stands after the position; null where what stands before it is not what was shipped: it is another text by now. */
async function readAfter({ handle, position }: OpenFile, limits: MessageLimits): Promise<Bytes | null> {
  const contextBytes = Math.min(position.offset, FINGERPRINT_BYTES);
  // More than a piece, or the end of a long one could not be told.
  const wanted = contextBytes + Math.max(limits.batchBytes, limits.pieceBytes + 1);
  const { buffer, bytesRead } = await handle.read(
    Buffer.alloc(wanted),
    0,
    wanted,
    position.offset - contextBytes,
  );
  const context = buffer.subarray(0, Math.min(bytesRead, contextBytes));
  if (digest(context) !== position.fingerprint) return null;
  return { context, data: buffer.subarray(contextBytes, bytesRead), isEnd: bytesRead < wanted };
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

/** A file that was renamed stays beside its old name, as every log rotation has it. */
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
