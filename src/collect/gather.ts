// One machine's files into the archive, as its tar stream brings them: small ones whole, large ones as they come. What
// was not asked for is refused; what does not come is missing.
import { createHash, hash, type Hash } from 'node:crypto';
import type { Running } from './channel.ts';
import { isCompressed } from './compressed.ts';
import { asFailure, oneLine, VmFailure } from './failure.ts';
import { pathsOf, type Listing } from './listing.ts';
import { decodeName, freeName } from './names.ts';
import type { FileReport, MissingFile } from './report.ts';
import { readTar, type TarEntry, type TarReader } from './tar/reader.ts';
import type { CollectLimits } from './target.ts';
import { isWorthPacking } from './zip/deflate.ts';
import type { Entry, ZipWriter } from './zip/writer.ts';

export type Gathering = {
  readonly hostname: string;
  readonly listing: Listing;
  /** What sends the files of the listing. */
  readonly running: Running;
  readonly zip: ZipWriter;
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

const CUT = '.cut-short';
const EXECUTABLE = 0o111;
const READABLE = 0o644;
const NOTES = 20;

/** Never rejects but where the archive itself cannot be written any more. */
export async function gather(gathering: Gathering): Promise<Gathered> {
  const { listing, running, limits } = gathering;
  const budget = listing.bytes + limits.surplusBytes;
  const state: State = {
    ...gathering,
    tar: readTar(running.next),
    expected: pathsOf(listing),
    names: new Set(),
    files: [],
    missing: [],
    left: budget,
  };
  const failure = await everything(state);
  const errors = failure === null ? await lastWords(running) : '';
  const reason = failure?.message ?? 'It was gone, or could not be read.';
  for (const path of state.expected)
    state.missing.push({ name: archiveName(state, Buffer.from(path, 'latin1')), reason });
  return { files: state.files, missing: state.missing, notes: notesOf(errors), failure };
}

type State = Gathering & {
  readonly tar: TarReader;
  /** Paths that have not come yet, each letter a byte. */
  readonly expected: Set<string>;
  readonly names: Set<string>;
  readonly files: FileReport[];
  readonly missing: MissingFile[];
  /** Bytes that the machine may still send. */
  left: number;
};

/** The archive cannot be written any more: nobody reads it. */
class ArchiveLost extends Error {}

async function everything(state: State): Promise<VmFailure | null> {
  try {
    for (let entry = await state.tar.next(); entry !== null; entry = await state.tar.next())
      await take(state, entry);
    // What tar writes after its end is padding; the command ends only once it is read.
    while ((await state.running.next()) !== null);
    return null;
  } catch (error) {
    if (error instanceof ArchiveLost) throw error;
    return asFailure(error);
  }
}

async function take(state: State, entry: TarEntry): Promise<void> {
  const path = entry.name.subarray(0, 2).equals(Buffer.from('./')) ? entry.name.subarray(2) : entry.name;
  const key = path.toString('latin1');
  if (!state.expected.delete(key))
    throw new VmFailure('broken_stream', `The machine sent what it was not asked for: ${shown(path)}.`);
  const name = archiveName(state, path);
  if (!entry.isFile) {
    state.missing.push({ name, reason: 'It is no regular file any more.' });
    return;
  }
  state.left -= entry.bytes;
  if (state.left < 0) {
    state.missing.push({ name, reason: 'It is far larger than it was when it was listed.' });
    throw new VmFailure('too_much', 'The machine announced far more than it had listed.');
  }
  const kept = {
    name,
    modified: entry.modified,
    mode: READABLE | (entry.mode & EXECUTABLE),
  };
  if (entry.bytes <= state.limits.wholeFileBytes) await takeWhole(state, kept, entry.bytes);
  else await takeStreamed(state, kept, entry.bytes);
}

function archiveName({ hostname, names }: State, path: Buffer): string {
  return freeName(`${hostname}/${decodeName(path)}`, names);
}

function shown(path: Buffer): string {
  return JSON.stringify(oneLine(decodeName(path)));
}

async function takeWhole(state: State, entry: Entry, announced: number): Promise<void> {
  const pieces: Buffer[] = [];
  const broken = await readInto(state, (piece) => {
    pieces.push(piece);
    return Promise.resolve();
  });
  const content = pieces.length === 1 ? (pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(pieces);
  if (broken !== null && announced > 0 && content.length === 0) {
    state.missing.push({ name: entry.name, reason: broken.message });
    throw broken;
  }
  const named = broken === null ? entry : { ...entry, name: freeName(entry.name + CUT, state.names) };
  await archive(() => state.zip.addWhole(named, content, !isCompressed(entry.name)));
  report(state, named, { bytes: content.length, sha256: hash('sha256', content), broken });
}

async function takeStreamed(state: State, entry: Entry, announced: number): Promise<void> {
  const first = await firstPiece(state, entry);
  const cutName = freeName(entry.name + CUT, state.names);
  const packed = !isCompressed(entry.name) && isWorthPacking(first);
  const target = await archive(() =>
    state.zip.begin({ ...entry, cutName, announcedBytes: announced, packed }),
  );
  const sha256 = createHash('sha256');
  let bytes = 0;
  const write = async (piece: Buffer): Promise<void> => {
    sha256.update(piece);
    bytes += piece.length;
    await archive(() => target.write(piece));
  };
  let broken: VmFailure | null = null;
  try {
    await write(first);
    state.onBytes(first.length);
    broken = await readInto(state, write);
  } finally {
    // Also where the archive is lost: whoever waits for a turn is let go.
    await archive(() => (broken === null ? target.finish() : target.cut()));
  }
  const name = broken === null ? entry.name : cutName;
  report(state, { ...entry, name }, { bytes, sha256: digestOf(sha256), broken });
}

/** Before the archive is held for it: whoever says nothing holds up nobody. */
async function firstPiece(state: State, entry: Entry): Promise<Buffer> {
  try {
    return (await state.tar.data()) ?? Buffer.alloc(0);
  } catch (error) {
    const failure = asFailure(error);
    state.missing.push({ name: entry.name, reason: failure.message });
    throw failure;
  }
}

/** All of the entry's data; what broke it off, if it did. */
async function readInto(state: State, write: (piece: Buffer) => Promise<void>): Promise<VmFailure | null> {
  try {
    for (let piece = await state.tar.data(); piece !== null; piece = await state.tar.data()) {
      await write(piece);
      state.onBytes(piece.length);
    }
    return null;
  } catch (error) {
    if (error instanceof ArchiveLost) throw error;
    return asFailure(error);
  }
}

async function archive<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new ArchiveLost('the archive cannot be written any more', { cause });
  }
}

/** Throws what broke it off, once it is written down. */
function report(
  state: State,
  { name, modified }: Entry,
  { bytes, sha256, broken }: { bytes: number; sha256: string; broken: VmFailure | null },
): void {
  state.files.push({ name, bytes, sha256, modified, cut: broken !== null });
  state.onFile();
  if (broken === null) return;
  state.missing.push({ name, reason: `Cut short after ${bytes} bytes. ${broken.message}` });
  throw broken;
}

function digestOf(sha256: Hash): string {
  return sha256.digest('hex');
}

/** What the command complained about; a machine that is gone by now says nothing. */
async function lastWords(running: Running): Promise<string> {
  try {
    return (await running.ended()).errors;
  } catch {
    return '';
  }
}

function notesOf(errors: string): readonly string[] {
  const lines = errors.split('\n').map(oneLine);
  return lines.filter((line) => line !== '').slice(0, NOTES);
}
