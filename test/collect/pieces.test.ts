// The parts of downloads without machines: the archive, tar streams, which files are chosen, what a spreadsheet must not run.
import { execFileSync } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { extensionOf, isChosen } from '../../src/collect/choose.ts';
import { VmFailure } from '../../src/collect/failure.ts';
import { csvCell } from '../../src/collect/manifest.ts';
import { archiveName, decodeName, isSafePath, type TakenNames } from '../../src/collect/names.ts';
import { readTar } from '../../src/collect/tar.ts';
import { commandLine } from '../../src/ssh/frame.ts';

test.each(['gnu', 'ustar'])('a tar of the format %s is read as it was written', async (format) => {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-tar-'));
  const names = ['a.txt', `${'n'.repeat(format === 'ustar' ? 90 : 200)}.txt`, 'ü.txt'];
  for (const name of names) await writeFile(join(folder, name), name.repeat(300));
  const tar = execFileSync('tar', [`--format=${format}`, '-C', folder, '-cf', '-', ...names]);
  await rm(folder, { recursive: true });
  // In pieces that fit no block.
  let at = 0;
  const next = () => Promise.resolve(at < tar.length ? tar.subarray(at, (at += 777)) : null);
  const found: string[] = [];
  for await (const entry of readTar(next)) {
    const parts: Buffer[] = [];
    for (let read = await entry.data.next(); read.value; read = await entry.data.next())
      parts.push(read.value);
    const name = decodeName(Buffer.from(entry.path, 'latin1'));
    expect(Buffer.concat(parts).toString()).toBe(name.repeat(300));
    found.push(name);
  }
  expect(found).toEqual(names);
});

test.each([
  ['ends', () => Promise.resolve(null)],
  ['fails', () => Promise.reject(new VmFailure('stalled', 'The machine sent nothing.'))],
])('everything that came of a file is read when the machine %s in the same moment', async (_, atTheEnd) => {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-tar-'));
  await writeFile(join(folder, 'a.slp'), 'y'.repeat(100_000));
  const whole = execFileSync('tar', ['-C', folder, '-cf', '-', 'a.slp'], { maxBuffer: 1e6 });
  await rm(folder, { recursive: true });
  for (const came of [1, 10, 5_000, 70_000]) {
    const pieces = [whole.subarray(0, 512 + came)];
    const read: Buffer[] = [];
    const reading = async (): Promise<void> => {
      for await (const { data } of readTar(() => Promise.resolve(pieces.shift() ?? atTheEnd())))
        for (let part = await data.next(); part.value; part = await data.next()) {
          read.push(part.value);
          // The archive takes its time.
          await setTimeout(1);
        }
    };
    await expect(reading()).rejects.toThrow(VmFailure);
    expect(Buffer.concat(read).toString()).toBe('y'.repeat(came));
  }
});

test('files are chosen by extension in upper or lower case, outside the folders that are left out', () => {
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

test('a path that leaves the folder is not safe, and each file has a readable name of its own in the archive', () => {
  const unsafe = ['', '/a', '../a', 'a/../../b', 'a//b', './a', 'a/.', 'a\0b', 'x'.repeat(20_000)];
  expect(unsafe.filter((path) => isSafePath(Buffer.from(path)))).toEqual([]);
  expect(['a', '..a', 'a/b..', '-rf', 'a\nb'].filter((path) => !isSafePath(Buffer.from(path)))).toEqual([]);
});

describe('names in the archive', () => {
  const namer = () => {
    const taken: TakenNames = new Map();
    return (path: string | Buffer) => archiveName('vm-1', Buffer.from(path), taken);
  };

  test('a name that every system can hold is exactly the name of the file', () => {
    const named = namer();
    for (const path of ['café.slp', 'a b/c.tar.gz', '.hidden', 'console.slp', 'nul-1', '日本.slp', 'a/..b'])
      expect(named(path)).toEqual({ name: `vm-1/${path}`, isExact: true });
  });

  test.each([
    ['a\\..\\..\\w.slp', 'a_.._.._w.slp'],
    ['C:\\evil.slp', 'C__evil.slp'],
    ['x:y*?"<>|.slp', 'x_y______.slp'],
    ['new\nline\ttab.slp', 'new_line_tab.slp'],
    ['con.slp', '_con.slp'],
    ['CON', '_CON'],
    ['Aux .tar.gz', '_Aux .tar.gz'],
    ['lpt1.x/com¹', '_lpt1.x/_com¹'],
    ['Sub/trail. ', 'Sub/trail__'],
    ['dir. /f.slp', 'dir__/f.slp'],
    ['\u202eplz.exe', '_plz.exe'],
    ['zero\u200bwidth', 'zero_width'],
  ])('%j is stored as %j', (path, name) => {
    expect(namer()(path)).toEqual({ name: `vm-1/${name}`, isExact: false });
  });

  test('names that differ only in case or in how letters are composed get a number', () => {
    const named = namer();
    const given = [
      'A.slp',
      'a.slp',
      'A.SLP',
      'caf\u00e9',
      'cafe\u0301',
      Buffer.from('caf\u00e9', 'latin1'),
      'x:y',
      'x?y',
    ];
    expect(given.map((path) => named(path).name.slice(5))).toEqual([
      'A.slp',
      'a (2).slp',
      'A (3).SLP',
      'caf\u00e9',
      'cafe\u0301 (2)',
      'caf\u00e9 (3)',
      'x_y',
      'x_y (2)',
    ]);
  });

  test('a file and a folder of one name are kept apart, in either order', () => {
    const named = namer();
    expect(
      ['Run', 'run/a', 'RUN/b', 'Data/a', 'data', 'DATA/a'].map((path) => named(path).name.slice(5)),
    ).toEqual(['Run', 'run (2)/a', 'RUN (2)/b', 'Data/a', 'data (2)', 'DATA/a (2)']);
  });
});

test('a CSV cell that a spreadsheet would take for a formula begins with an apostrophe', () => {
  for (const cell of ['=cmd|calc!A0', '+1', '-rf.slp', '@SUM(A1)', ' =1', '\t=1', '＝1'])
    expect(csvCell(cell)).toBe(`"'${cell}"`);
  expect([csvCell('a "b", c'), csvCell(-3), csvCell('')]).toEqual(['"a ""b"", c"', '-3', '']);
});

test('a shell passes every argument of a command line on unchanged', () => {
  const args = ["it's", '$(id)', '`id`', 'a b', '', '*', '\\', '\n', '"', '-n', 'ü', '~', ';', '%s'];
  const out = execFileSync('/bin/sh', ['-c', commandLine(['printf', '[%s]', ...args])], { encoding: 'utf8' });
  expect(out).toBe(args.map((each) => `[${each}]`).join(''));
});
