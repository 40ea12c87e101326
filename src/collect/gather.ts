// One machine's files into the archive, as its tar stream brings them: small ones whole, large ones piece by piece. A file
// that was not asked for ends the machine's part; a file that does not come is reported as missing.
import { createHash } from 'node:crypto';
import { ArchiveClosed, type Archive, type ArchivedFile } from './archive.ts';
import type { RemoteCommand } from './channel.ts';
import { isStored } from './compression.ts';
import { asFailure, errorLines, oneLine, VmFailure } from './failure.ts';
import { pathsOf, type Listing } from './listing.ts';
import { archiveName, decodeName, type TakenNames } from './names.ts';
import type { FileReport, MissingFile } from './report.ts';
import { changedFiles, readTar, type TarEntry } from './tar.ts';
import type { CollectLimits } from './target.ts';

export type Gathering = {
  /** In the archive. */
  readonly folder: string;
  readonly listing: Listing;
  /** Sends the files of the listing. */
  readonly command: RemoteCommand;
  /** The next piece of its tar stream. */
  readonly next: RemoteCommand['next'];
  readonly archive: Archive;
  readonly limits: CollectLimits;
  readonly onBytes: (bytes: number) => void;
  readonly onFile: () => void;
};

export type Gathered = {
  readonly files: readonly FileReport[];
  readonly missing: readonly MissingFile[];
  readonly notes: readonly string[];
  readonly failure: VmFailure | null;
};

const EXECUTABLE = 0o111;
const READABLE = 0o644;
const NOTES = 20;

type State = Gathering & {
  /** Paths that have not come yet, each character one byte. */
  readonly expected: Set<string>;
  readonly names: TakenNames;
  readonly files: FileReport[];
  readonly missing: MissingFile[];
  /** Bytes that the machine may still send. */
  left: number;
};

/** Rejects only with ArchiveClosed. */
export async function gather(gathering: Gathering): Promise<Gathered> {
  const { listing, limits, command } = gathering;
  const state: State = {
    ...gathering,
    expected: pathsOf(listing),
    names: new Map(),
    files: [],
    missing: [],
    left: listing.bytes + limits.surplusBytes,
  };
  const { failure, errors } = await takeAll(state, command);
  const reason = failure?.message ?? 'It has gone, or could not be read.';
  for (const path of state.expected)
    state.missing.push({ name: nameOf(state, Buffer.from(path, 'latin1')).name, reason });
  const files = markChanged(state, changedFiles(errors));
  return { files, missing: state.missing, notes: errorLines(errors, NOTES), failure };
}

/** A file that was written to while it was read may be half of this moment and half of that. */
function markChanged({ folder, files }: State, changed: ReadonlySet<string>): readonly FileReport[] {
  if (changed.size === 0) return files;
  return files.map((file) => {
    const path =
      file.path?.toString('latin1') ??
      Buffer.from(file.name)
        .toString('latin1')
        .slice(Buffer.byteLength(folder) + 1);
    return changed.has(path) ? { ...file, changed: true } : file;
  });
}

async function takeAll(
  state: State,
  command: RemoteCommand,
): Promise<{ readonly failure: VmFailure | null; readonly errors: string }> {
  try {
    for await (const entry of readTar(state.next)) await take(state, entry);
  } catch (error) {
    if (error instanceof ArchiveClosed) throw error;
    return { failure: asFailure(error), errors: '' };
  }
  try {
    const { end, errors } = await command.ended();
    return { failure: endFailure(state, end?.code ?? null), errors };
  } catch (error) {
    return { failure: asFailure(error), errors: '' };
  }
}

/** tar-stream cannot tell the end of an archive from a stream that was cut between two files. */
function endFailure({ expected }: State, code: number | null): VmFailure | null {
  if (expected.size === 0) return null;
  if (code === null) return new VmFailure('connection_lost', 'The machine stopped sending before the end.');
  if (code === 0)
    return new VmFailure('broken_stream', 'The machine reported success, but did not send all files.');
  return null;
}

async function take(state: State, entry: TarEntry): Promise<void> {
  const path = entry.path.startsWith('./') ? entry.path.slice(2) : entry.path;
  const pathBytes = Buffer.from(path, 'latin1');
  if (!state.expected.delete(path)) {
    const shown = JSON.stringify(oneLine(decodeName(pathBytes)));
    throw new VmFailure('broken_stream', `The machine sent a file that was not asked for: ${shown}.`);
  }
  const { name, isExact } = nameOf(state, pathBytes);
  if (!entry.isFile) {
    state.missing.push({ name, reason: 'It is no longer a regular file.' });
    return;
  }
  state.left -= entry.bytes;
  if (state.left < 0) {
    state.missing.push({ name, reason: 'It is far larger than when it was listed.' });
    throw new VmFailure('too_much', 'The machine announced far more data than it had listed.');
  }
  const isSparse = state.listing.sparse.has(path);
  await takeFile(state, entry, { name, path: isExact ? null : pathBytes, isSparse });
}

function nameOf({ folder, names }: State, path: Buffer) {
  return archiveName(folder, path, names);
}

/** Adds the file, or the beginning of it that came, then throws what cut it off. */
async function takeFile(
  state: State,
  entry: TarEntry,
  { name, path, isSparse }: Pick<FileReport, 'name' | 'path'> & { readonly isSparse: boolean },
): Promise<void> {
  const content = createContent(state, entry);
  // Read before the archive is held for this file: a machine that stalls here stops no other.
  const beginning = await content.read(state.limits.wholeFileBytes);
  const bytesRead = beginning.length;
  if (content.failure !== null && bytesRead === 0 && entry.bytes > 0) {
    state.missing.push({ name, reason: content.failure.message });
    throw content.failure;
  }
  const file: ArchivedFile = {
    name,
    modified: entry.modified,
    mode: READABLE | (entry.mode & EXECUTABLE),
    stored: !isSparse && isStored(name, beginning),
  };
  const isWhole = entry.bytes <= state.limits.wholeFileBytes;
  await state.archive.add(file, isWhole ? beginning : content.all(beginning));
  const { failure } = content;
  const { bytes, sha256 } = content.summary();
  state.files.push({
    name,
    path,
    bytes,
    sha256,
    modified: entry.modified,
    cut: failure !== null,
    changed: false,
  });
  state.onFile();
  if (failure === null) return;
  state.missing.push({ name, reason: `Cut short after ${bytes} bytes. ${failure.message}` });
  throw failure;
}

type Content = {
  /** What cut the data off, if anything did; then what came before stands for the whole. */
  readonly failure: VmFailure | null;
  /** The data of a file of up to `wholeBytes`; the first piece of a larger one. */
  readonly read: (wholeBytes: number) => Promise<Buffer>;
  /** What was read, then the rest. Ends where the data was cut off. */
  readonly all: (beginning: Buffer) => AsyncGenerator<Buffer, void>;
  readonly summary: () => { readonly bytes: number; readonly sha256: string };
};

function createContent({ onBytes }: State, entry: TarEntry): Content {
  const hash = createHash('sha256');
  let bytes = 0;
  let failure: VmFailure | null = null;

  /** Null at the end, and where the data was cut off. */
  async function next(): Promise<Buffer | null> {
    try {
      const { value: piece } = await entry.data.next();
      if (!piece) return null;
      hash.update(piece);
      bytes += piece.length;
      onBytes(piece.length);
      return piece;
    } catch (error) {
      failure = asFailure(error);
      return null;
    }
  }
  return {
    get failure() {
      return failure;
    },
    read: async (wholeBytes) => {
      const pieces: Buffer[] = [];
      for (let piece = await next(); piece !== null; piece = await next()) {
        pieces.push(piece);
        if (entry.bytes > wholeBytes) break;
      }
      const [only = Buffer.alloc(0)] = pieces;
      return pieces.length > 1 ? Buffer.concat(pieces) : only;
    },
    all: async function* (beginning) {
      yield beginning;
      for (let piece = await next(); piece !== null; piece = await next()) yield piece;
    },
    summary: () => ({ bytes, sha256: hash.digest('hex') }),
  };
}
