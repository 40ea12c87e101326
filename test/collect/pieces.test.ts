// The pure parts of downloads: records of zips beyond 4 GiB, tar headers, what is chosen, what a spreadsheet may not run.
import { execFileSync } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { extensionOf, isChosen } from '../../src/collect/choose.ts';
import { commandLine } from '../../src/collect/commands.ts';
import { csvCell } from '../../src/collect/manifest.ts';
import { decodeName, freeName, isSafePath } from '../../src/collect/names.ts';
import { readTar } from '../../src/collect/tar/reader.ts';
import { createZipOutput } from '../../src/collect/zip/output.ts';
import {
  centralEntry,
  dataDescriptor,
  endOfDirectory,
  localHeader,
  STORED,
} from '../../src/collect/zip/records.ts';
import { createZipWriter } from '../../src/collect/zip/writer.ts';
import { openArchive } from './lab.ts';

const GIBIBYTE = 2 ** 30;

describe('a zip', () => {
  const head = {
    name: 'a.slp',
    modified: new Date('2026-01-02T03:04:06Z'),
    mode: 0o644,
    method: STORED,
    large: true,
  } as const;
  const sizes = { crc: 1, packedBytes: 5 * GIBIBYTE, bytes: 5 * GIBIBYTE };

  test('has sizes and offsets beyond 4 GiB in eight bytes, and says so in the places for four', () => {
    const local = localHeader(head, null);
    expect(local.readUInt16LE(4)).toBe(45);
    expect(local.readUInt32LE(18)).toBe(0xffff_ffff);
    const descriptor = dataDescriptor(head, sizes);
    expect([descriptor.readBigUInt64LE(8), descriptor.readBigUInt64LE(16)]).toEqual([
      BigInt(5 * GIBIBYTE),
      BigInt(5 * GIBIBYTE),
    ]);
    const central = centralEntry(head, sizes, 6 * GIBIBYTE, false);
    expect([20, 24, 42].map((at) => central.readUInt32LE(at))).toEqual(Array(3).fill(0xffff_ffff));
    const extra = 46 + head.name.length;
    expect([central.readUInt16LE(extra), central.readUInt16LE(extra + 2)]).toEqual([1, 24]);
    expect([4, 12, 20].map((at) => Number(central.readBigUInt64LE(extra + at)) / GIBIBYTE)).toEqual([
      5, 5, 6,
    ]);
    const end = endOfDirectory(2, 200, 11 * GIBIBYTE);
    expect(end.readUInt32LE(0)).toBe(0x0606_4b50);
    expect(Number(end.readBigUInt64LE(48)) / GIBIBYTE).toBe(11);
  });

  test('of seventy thousand entries is opened by others; small, packed, streamed and cut ones side by side', async () => {
    const output = createZipOutput(
      () => undefined,
      () => undefined,
    );
    const zip = createZipWriter(output);
    const whole = buffer(output.stream);
    const entry = (name: string) => ({ name, modified: new Date(), mode: 0o644 });
    const streamed = (name: string, packed: boolean) =>
      zip.begin({ ...entry(name), cutName: `${name}.cut-short`, announcedBytes: 5 * GIBIBYTE, packed });
    await zip.addWhole(entry('vm/packed.txt'), Buffer.alloc(50_000, 'again and again '), true);
    for (const packed of [true, false]) {
      const kept = await streamed(`vm/kept ${String(packed)}`, packed);
      await kept.write(Buffer.alloc(100_000, 'abc'));
      await kept.finish();
      const cut = await streamed(`vm/cut ${String(packed)}`, packed);
      await cut.write(Buffer.alloc(100_000, 'abc'));
      await cut.cut();
    }
    for (let number = 0; number < 70_000; number++)
      await zip.addWhole(entry(`vm/${number}`), Buffer.from('x'), false);
    for (const name of ['manifest.json', 'manifest.csv'])
      await zip.addWhole(entry(name), Buffer.from('{"vms":[]}'), true);
    await zip.finish();
    output.end();
    const { names } = await openArchive(await whole);
    expect(names.slice(0, 5)).toEqual([
      'vm/packed.txt',
      'vm/kept true',
      'vm/cut true.cut-short',
      'vm/kept false',
      'vm/cut false.cut-short',
    ]);
    expect(names).toHaveLength(70_007);
  }, 240_000);
});

test.each(['gnu', 'posix', 'ustar'])('a tar of the format %s is read as it was written', async (format) => {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-tar-'));
  const names = ['a.txt', `${'n'.repeat(format === 'ustar' ? 90 : 200)}.txt`, 'ü.txt'];
  for (const name of names) await writeFile(join(folder, name), name.repeat(300));
  const tar = execFileSync('tar', [`--format=${format}`, '-C', folder, '-cf', '-', ...names]);
  await rm(folder, { recursive: true });
  // In pieces that fit no block.
  let at = 0;
  const reader = readTar(() => Promise.resolve(at < tar.length ? tar.subarray(at, (at += 777)) : null));
  const found: string[] = [];
  for (let entry = await reader.next(); entry !== null; entry = await reader.next()) {
    const parts: Buffer[] = [];
    for (let piece = await reader.data(); piece !== null; piece = await reader.data()) parts.push(piece);
    const name = decodeName(entry.name);
    expect(Buffer.concat(parts).toString()).toBe(name.repeat(300));
    found.push(name);
  }
  expect(found).toEqual(names);
});

test('what is chosen: by extension in any case, in no folder that is left out', () => {
  const choice = { extensions: ['slp', 'tar.gz'], leftOut: ['models'] };
  const chosen = ['a.slp', 'x/B.SLP', 'x/models.slp', 'a.tar.gz'];
  const left = ['slp', 'a.slp.bak', 'models/a.slp', 'x/models/y/a.slp', 'a.gz'];
  expect([...chosen, ...left].filter((path) => isChosen(path, choice))).toEqual(chosen);
  expect(['a.SLP', '.bashrc', 'x.y/z', 'end.'].map(extensionOf)).toEqual([
    'slp',
    '(none)',
    '(none)',
    '(none)',
  ]);
});

test('paths that leave the folder are none; names of bytes become letters, each its own', () => {
  const unsafe = ['', '/a', '../a', 'a/../../b', 'a//b', './a', 'a/.', 'a\0b', 'x'.repeat(20_000)];
  expect(unsafe.filter((path) => isSafePath(Buffer.from(path)))).toEqual([]);
  expect(['a', '..a', 'a/b..', '-rf', 'a\nb'].filter((path) => !isSafePath(Buffer.from(path)))).toEqual([]);
  const taken = new Set<string>();
  expect([freeName('café', taken), freeName(decodeName(Buffer.from('café', 'latin1')), taken)]).toEqual([
    'café',
    'café (2)',
  ]);
});

test('a cell that a spreadsheet would run is text', () => {
  for (const cell of ['=cmd|calc!A0', '+1', '-rf.slp', '@SUM(A1)', ' =1', '\t=1', '＝1'])
    expect(csvCell(cell)).toBe(`"'${cell}"`);
  expect([csvCell('a "b", c'), csvCell(-3), csvCell('')]).toEqual(['"a ""b"", c"', '-3', '']);
});

test('arguments arrive as they are, whatever shell runs them', () => {
  const args = ["it's", '$(id)', '`id`', 'a b', '', '*', '\\', '\n', '"', '-n', 'ü', '~', ';', '%s'];
  const out = execFileSync('/bin/sh', ['-c', commandLine(['printf', '[%s]', ...args])], { encoding: 'utf8' });
  expect(out).toBe(args.map((each) => `[${each}]`).join(''));
});
