// Reads a backup once, and holds it against its checksums, which stand at its end.
import type { Readable } from 'node:stream';
import { readArchive, wholeOf, type ReadEntry, type WholeEntry } from './archive.ts';
import { Counter, countOf, type Counted } from './checksums.ts';
import { damaged } from './fault.ts';
import type { KeptFile } from './files.ts';
import {
  FILES,
  MANIFEST,
  manifestSchema,
  ROWS,
  safePath,
  SUMMARY,
  summarySchema,
  type Manifest,
  type Summary,
} from './manifest.ts';

/** Takes the rows of one table; must read all pieces. */
type TakeRows = (table: Manifest['tables'][number], pieces: AsyncIterable<Uint8Array>) => Promise<void>;

export type OpenedBackup = AsyncDisposable & {
  readonly manifest: Manifest;
  readonly files: readonly KeptFile[];
  /** To the end. Throws BackupFault where the backup, with manifest and files, is not whole: nothing of it may be used then. */
  readonly readRows: (take: TakeRows) => Promise<Summary>;
};

/** Reads its beginning. Throws BackupFault where that cannot be opened. */
export async function openBackup(input: Readable, passphrase: string): Promise<OpenedBackup> {
  const entries = new Entries(readArchive(input, passphrase));
  try {
    const first = await entries.takeWhole();
    if (first?.name !== MANIFEST) throw damaged('it does not begin with a manifest');
    const manifest = parse(manifestSchema, first);
    const files = await readFiles(entries);
    return {
      manifest,
      files,
      readRows: async (take) => {
        const tables = await readTables(entries, manifest, take);
        const summary = await readSummary(entries);
        compare(MANIFEST, countOf(first.data), summary.manifest);
        compareAll(
          new Map(files.map(({ path, data }) => [path, countOf(data)])),
          summary.files.map(({ path: name, ...counted }) => ({ name, ...counted })),
        );
        compareAll(tables, summary.tables);
        return summary;
      },
      [Symbol.asyncDispose]: () => entries.close(),
    };
  } catch (error) {
    await entries.close();
    throw error;
  }
}

async function readTables(
  entries: Entries,
  manifest: Manifest,
  take: TakeRows,
): Promise<ReadonlyMap<string, Counted>> {
  const tables = new Map<string, Counted>();
  for (const table of manifest.tables) {
    const counter = new Counter();
    await take(table, piecesOf(entries, `${ROWS}${table.name}/`, counter));
    tables.set(table.name, counter.result());
  }
  return tables;
}

async function readSummary(entries: Entries): Promise<Summary> {
  const last = await entries.takeWhole();
  if (last?.name !== SUMMARY) throw damaged(`${last?.name ?? 'its summary'} is not where it must be`);
  if ((await entries.take()) !== undefined) throw damaged('it goes on after its summary');
  return parse(summarySchema, last);
}

function compareAll(
  found: ReadonlyMap<string, Counted>,
  expected: readonly ({ readonly name: string } & Counted)[],
): void {
  if (found.size !== expected.length) throw damaged('parts of it are missing');
  for (const { name, ...counted } of expected) compare(name, found.get(name), counted);
}

async function readFiles(entries: Entries): Promise<KeptFile[]> {
  const files: KeptFile[] = [];
  while ((await entries.peek())?.name.startsWith(FILES) === true) {
    const entry = await entries.takeWhole();
    if (!entry) break;
    const path = safePath.safeParse(entry.name.slice(FILES.length));
    if (!path.success) throw damaged('a file in it has a name that no backup contains', path.error);
    files.push({ path: path.data, data: entry.data });
  }
  return files;
}

async function* piecesOf(entries: Entries, prefix: string, counter: Counter): AsyncGenerator<Uint8Array> {
  while ((await entries.peek())?.name.startsWith(prefix) === true) {
    const entry = await entries.take();
    if (!entry) return;
    for await (const piece of entry.pieces) {
      counter.add(piece);
      yield piece;
    }
  }
}

function compare(name: string, found: Counted | undefined, expected: Counted): void {
  if (found?.bytes !== expected.bytes || found.sha256 !== expected.sha256)
    throw damaged(`the checksum of ${name} is another one`);
}

function parse<T>(
  schema: { safeParse: (value: unknown) => { success: true; data: T } | { success: false; error: unknown } },
  { name, data }: WholeEntry,
): T {
  const parsed = schema.safeParse(JSON.parse(Buffer.from(data).toString('utf8')));
  if (parsed.success) return parsed.data;
  throw damaged(`${name} is not as this version knows it (a newer one may have made it)`, parsed.error);
}

/** Looks one entry ahead. What was taken must be read to its end before the next one. */
class Entries {
  readonly #source: AsyncGenerator<ReadEntry, void>;
  #next: ReadEntry | undefined;

  constructor(source: AsyncGenerator<ReadEntry, void>) {
    this.#source = source;
  }

  async peek(): Promise<ReadEntry | undefined> {
    if (this.#next === undefined) {
      const next = await this.#source.next();
      if (next.done !== true) this.#next = next.value;
    }
    return this.#next;
  }

  async take(): Promise<ReadEntry | undefined> {
    const entry = await this.peek();
    this.#next = undefined;
    return entry;
  }

  async takeWhole(): Promise<WholeEntry | undefined> {
    const entry = await this.take();
    return entry && wholeOf(entry);
  }

  async close(): Promise<void> {
    await this.#source.return(undefined);
  }
}
