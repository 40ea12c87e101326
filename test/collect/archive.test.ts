// The zip itself: other programs read it, also beyond the limits of 32-bit zips, and its memory stays bounded.
import { execFile } from 'node:child_process';
import { mkdtemp, open, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ArchiveClosed, createArchive } from '../../src/collect/archive.ts';
import { openArchive } from './lab.ts';

const run = promisify(execFile);
const GIBIBYTE = 2 ** 30;
const MEGABYTE = 1_000_000;
const modified = new Date('2026-01-02T03:04:06Z');
const file = (name: string, stored = true) => ({ name, modified, mode: 0o644, stored });
const nothing = (): void => undefined;
const zeros = Buffer.alloc(1_048_576);
const LARGE_BYTES = 4 * GIBIBYTE + zeros.length;

function* repeat(piece: Buffer, times: number): Generator<Buffer, void> {
  for (let count = 0; count < times; count++) yield piece;
}

/** Writes a stream to a file, leaving holes for zeros: four gibibytes take no room. */
async function writeSparsely(stream: Readable, path: string): Promise<number> {
  const handle = await open(path, 'w');
  let at = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    if (!piece.equals(zeros.subarray(0, piece.length))) await handle.write(piece, 0, piece.length, at);
    at += piece.length;
  }
  await handle.truncate(at);
  await handle.close();
  return at;
}

test('a file of more than four gibibytes, and one behind it, are read by unzip and Python', async () => {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-zip64-'));
  try {
    const path = join(folder, 'large.zip');
    const archive = createArchive(nothing, nothing);
    const written = writeSparsely(archive.stream, path);
    await archive.add(file('vm/large.slp'), repeat(zeros, 4 * 1_024 + 1));
    await archive.add(file('vm/behind.slp'), Buffer.from('behind'));
    await archive.finish();
    expect(await written).toBeGreaterThan(4 * GIBIBYTE);
    // Of the large file unzip checks the size: its checksum of four gibibytes takes ten seconds, that of Python one.
    expect((await run('unzip', ['-Zl', path, 'vm/large.slp'])).stdout).toContain(` ${LARGE_BYTES} `);
    await run('unzip', ['-tqq', path, 'vm/behind.slp']);
    const script = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
with z.open("vm/large.slp") as large:
    while large.read(1 << 20): pass
print([(i.filename, i.file_size) for i in z.infolist()], z.read("vm/behind.slp"))`;
    const { stdout } = await run('python3', ['-c', script, path]);
    expect(stdout.trim()).toBe(`[('vm/large.slp', ${LARGE_BYTES}), ('vm/behind.slp', 6)] b'behind'`);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 240_000);

test('seventy thousand files, whole ones and pieces, stored and compressed, are read by unzip and Python', async () => {
  const archive = createArchive(nothing, nothing);
  const whole = buffer(archive.stream);
  const text = Buffer.alloc(50_000, 'again and again ');
  await archive.add(file('vm/whole.txt', false), text);
  await archive.add(file('vm/pieces.txt', false), repeat(text, 3));
  await archive.add(file('vm/pieces.slp'), repeat(text, 3));
  for (let number = 0; number < 70_000; number++)
    await archive.add(file(`vm/${number}.slp`), Buffer.from('x'));
  for (const name of ['manifest.json', 'manifest.csv'])
    await archive.add(file(name, false), Buffer.from('{"vms":[]}'));
  await archive.finish();
  const zip = await whole;
  expect(zip.length).toBeLessThan(20 * MEGABYTE);
  const { names } = await openArchive(zip);
  expect(names.slice(0, 4)).toEqual(['vm/whole.txt', 'vm/pieces.txt', 'vm/pieces.slp', 'vm/0.slp']);
  expect(names).toHaveLength(70_005);
}, 240_000);

test('names, times and permissions are those that were given', async () => {
  const archive = createArchive(nothing, nothing);
  const whole = buffer(archive.stream);
  const name = 'vm/Ångström – "quoted"\n: *?.slp';
  await archive.add({ ...file(name), mode: 0o755 }, Buffer.from('x'));
  await archive.add({ ...file('vm/old'), modified: new Date(0) }, Buffer.from('x'));
  await archive.finish();
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-names-'));
  try {
    const path = join(folder, 'names.zip');
    await writeFile(path, await whole);
    const script =
      'import sys, zipfile, json; print(json.dumps([[i.filename, i.date_time, oct(i.external_attr >> 16)] for i in zipfile.ZipFile(sys.argv[1]).infolist()]))';
    const { stdout } = await run('python3', ['-c', script, path]);
    expect(JSON.parse(stdout)).toEqual([
      [name, [2026, 1, 2, 3, 4, 6], '0o100755'],
      ['vm/old', [1980, 1, 1, 0, 0, 0], '0o100644'],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('nothing is taken while the client does not read, of many small files as of a large one', async () => {
  const archive = createArchive(nothing, nothing);
  let taken = 0;
  function* counted(): Generator<Buffer, void> {
    for (const piece of repeat(zeros.subarray(0, 32_768), 10_000)) {
      taken += piece.length;
      yield piece;
    }
  }
  const small = (async () => {
    for (let number = 0; number < 20_000; number++) {
      await archive.add(file(`vm/${number}.slp`), Buffer.alloc(1_000));
      taken += 1_000;
    }
  })();
  const large = archive.add(file('vm/large.slp'), counted());
  const adding = Promise.allSettled([small, large]);
  let before = -1;
  await expect
    .poll(
      () => {
        const rests = taken === before && taken > 0;
        before = taken;
        return rests;
      },
      { interval: 300, timeout: 20_000 },
    )
    .toBe(true);
  expect(taken).toBeLessThan(2 * MEGABYTE);
  archive.stream.destroy();
  for (const each of await adding)
    expect(each).toMatchObject({ status: 'rejected', reason: expect.any(ArchiveClosed) as ArchiveClosed });
});

test('content that ends early does not affect the files after it', async () => {
  const archive = createArchive(nothing, nothing);
  const whole = buffer(archive.stream);
  await archive.add(file('vm/cut.slp'), repeat(Buffer.from('only the beginning'), 1));
  await archive.add(file('vm/empty.slp'), repeat(Buffer.from(''), 0));
  await archive.add(file('vm/next.slp'), Buffer.from('next'));
  for (const name of ['manifest.json', 'manifest.csv'])
    await archive.add(file(name, false), Buffer.from('{"vms":[]}'));
  await archive.finish();
  const { names } = await openArchive(await whole);
  expect(names.slice(0, 3)).toEqual(['vm/cut.slp', 'vm/empty.slp', 'vm/next.slp']);
});
