// Makes the content of a backup: manifest, files, rows, and a summary with the checksums of all of it.
import type { Writable } from 'node:stream';
import { withDump, type Dump } from '../db/dump/dump.ts';
import type { Result } from '../result.ts';
import { writeArchive, type ArchiveEntry } from './archive.ts';
import { Counter, countOf } from './checksums.ts';
import { readKeptFiles, type KeptFile } from './files.ts';
import { FILES, manifestOf, MANIFEST, ROWS, SUMMARY, type Summary } from './manifest.ts';

export type BackupSource = {
  /** Of Postgres itself, past a pooler. */
  readonly connectionString: string;
  readonly dataDir: string;
  /** Contents of files of the data folder that the configuration sets instead. */
  readonly configured: Readonly<Record<string, string>>;
  readonly deployment: { readonly name: string; readonly environment: string };
  /** Of the allocator. */
  readonly version: string;
};

/** Rows are written in pieces of this size. */
const PIECE_BYTES = 2 * 1024 * 1024;

/** Writes to `out` and ends it. Resolves to the time of the snapshot. Throws what the streams throw. */
export async function writeBackup(
  source: BackupSource,
  passphrase: string,
  out: Writable,
  signal?: AbortSignal,
): Promise<Result<Date>> {
  return withDump(source.connectionString, async (dump) => {
    const files = await readKeptFiles(source.dataDir, source.configured);
    await writeArchive(entriesOf(source, dump, files), passphrase, out, signal);
    return new Date(dump.info.at);
  });
}

async function* entriesOf(
  { deployment, version }: BackupSource,
  { info, rowsOf, sequences }: Dump,
  files: readonly KeptFile[],
): AsyncGenerator<ArchiveEntry> {
  const manifest = json(manifestOf({ ...info, deployment, version }));
  yield { name: MANIFEST, data: [manifest] };
  const summary: Summary = { manifest: countOf(manifest), files: [], tables: [], sequences: [] };
  for (const { path, data } of files) {
    summary.files.push({ path, ...countOf(data) });
    yield { name: `${FILES}${path}`, data: [data] };
  }
  for (const table of info.tables) {
    const counter = new Counter();
    let number = 0;
    for await (const data of inPieces(rowsOf(table))) {
      data.forEach((piece) => counter.add(piece));
      yield { name: `${ROWS}${table.name}/${String(number++).padStart(6, '0')}`, data };
    }
    summary.tables.push({ name: table.name, ...counter.result() });
  }
  summary.sequences.push(...(await sequences()));
  yield { name: SUMMARY, data: [json(summary)] };
}

async function* inPieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < PIECE_BYTES) continue;
    yield held;
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield held;
}

function json(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
