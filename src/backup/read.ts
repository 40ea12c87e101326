// Reads a backup, and holds it against its checksums. Whoever reads it twice, once for nothing but that, changes nothing before all
// of it was seen to be whole.
import { Readable } from 'node:stream';
import { readArchive, type ArchiveEntry } from './archive.ts';
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

/** Opens the same bytes again at each call. */
export type OpenBackup = () => Promise<Readable>;

/** What is done with the parts of a backup, in their order. */
export type BackupReader = {
  readonly files?: (manifest: Manifest, files: readonly KeptFile[]) => Promise<void>;
  /** Must read all pieces. */
  readonly rows?: (table: Manifest['tables'][number], pieces: AsyncIterable<Uint8Array>) => Promise<void>;
};

export type WholeBackup = {
  readonly manifest: Manifest;
  readonly files: readonly KeptFile[];
  readonly summary: Summary;
};

/** Throws BackupFault where the backup cannot be opened, or is not whole. Without a reader it is only checked. */
export async function readBackup(
  open: OpenBackup,
  passphrase: string,
  reader: BackupReader = {},
): Promise<WholeBackup> {
  const input = await open();
  const entries = new Entries(readArchive(input, passphrase));
  try {
    return await readEntries(entries, reader);
  } finally {
    await entries.close();
  }
}

async function readEntries(entries: Entries, reader: BackupReader): Promise<WholeBackup> {
  const first = await entries.take();
  if (first?.name !== MANIFEST) throw damaged('it does not begin with a manifest');
  const manifest = parse(manifestSchema, first);
  const files = await readFiles(entries);
  await reader.files?.(manifest, files);
  const tables = new Map<string, Counted>();
  for (const table of manifest.tables) {
    const counter = new Counter();
    const pieces = piecesOf(entries, `${ROWS}${table.name}/`, counter);
    await (reader.rows ?? readOnly)(table, pieces);
    tables.set(table.name, counter.result());
  }
  const last = await entries.take();
  if (last?.name !== SUMMARY) throw damaged(`${last?.name ?? 'its summary'} is not where it must be`);
  if ((await entries.take()) !== undefined) throw damaged('it goes on after its summary');
  const summary = parse(summarySchema, last);
  compare(MANIFEST, countOf(first.data), summary.manifest);
  compareAll(
    new Map(files.map(({ path, data }) => [path, countOf(data)])),
    summary.files.map(({ path: name, ...counted }) => ({ name, ...counted })),
  );
  compareAll(tables, summary.tables);
  return { manifest, files, summary };
}

async function readOnly(_table: unknown, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
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
    const entry = await entries.take();
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
    counter.add(entry.data);
    yield entry.data;
  }
}

function compare(name: string, found: Counted | undefined, expected: Counted): void {
  if (found?.bytes !== expected.bytes || found.sha256 !== expected.sha256)
    throw damaged(`the checksum of ${name} is another one`);
}

function parse<T>(
  schema: { safeParse: (value: unknown) => { success: true; data: T } | { success: false; error: unknown } },
  { name, data }: ArchiveEntry,
): T {
  const parsed = schema.safeParse(JSON.parse(Buffer.from(data).toString('utf8')));
  if (parsed.success) return parsed.data;
  throw damaged(`${name} is not as this version knows it (a newer one may have made it)`, parsed.error);
}

/** Looks one entry ahead. */
class Entries {
  readonly #source: AsyncGenerator<ArchiveEntry, void>;
  #next: ArchiveEntry | undefined;

  constructor(source: AsyncGenerator<ArchiveEntry, void>) {
    this.#source = source;
  }

  async peek(): Promise<ArchiveEntry | undefined> {
    if (this.#next === undefined) {
      const next = await this.#source.next();
      if (next.done !== true) this.#next = next.value;
    }
    return this.#next;
  }

  async take(): Promise<ArchiveEntry | undefined> {
    const entry = await this.peek();
    this.#next = undefined;
    return entry;
  }

  async close(): Promise<void> {
    await this.#source.return(undefined);
  }
}
