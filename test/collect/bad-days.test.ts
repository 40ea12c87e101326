// What goes wrong during a download: machines die, stall or lie; the client leaves or reads slowly.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { openProcessTable } from '../../src/process/process-table.ts';
import { SSHD_MARK, writeFiles } from '../support/sshd.ts';
import { firstPiece, hasSshd, openArchive, startLab } from './lab.ts';

const LONG_TEST_MS = 60_000;
const WAIT = { timeout: 30_000, interval: 50 };
const MEGABYTE = 1_000_000;
const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex');

/** The machine's own tar up to this many bytes, then another command. */
const tarThen = (bytes: number, then: string): Record<string, string> => ({
  tar: `/usr/bin/tar "$@" | head -c ${bytes}; ${then}`,
});
/** A tar program that sends what the Python script makes, whatever it is asked for. */
const tarOf = (script: string): Record<string, string> => ({
  tar: `cat >/dev/null; exec python3 -c '
import sys, tarfile, io
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT)
def add(name, data=b"x", **changes):
    i = tarfile.TarInfo(name); i.size = len(data)
    for k, v in changes.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
def raw(data): t.fileobj.write(data)
${script}'`,
});

describe.skipIf(!hasSshd)('machines', () => {
  test(
    'a machine that dies in the middle of a file leaves its beginning, marked as cut short; other machines are complete',
    async () => {
      await using lab = startLab({ limits: { readAheadBytes: 65_536 } });
      const good = await lab.machine('good');
      const dying = await lab.machine('dying');
      const content = randomBytes(40 * MEGABYTE);
      await writeFiles(good.sshd.folder, { 'a.slp': 'whole' });
      await writeFiles(dying.sshd.folder, { 'big one.slp': content });
      const stream = await lab.stream([dying.target, good.target]);
      const first = await firstPiece(stream);
      await vi.waitFor(() => expect(lab.collector.downloads()[0]?.bytes).toBeGreaterThan(MEGABYTE / 2), WAIT);
      dying.sshd.kill();
      const { files, manifest, missing } = await openArchive(Buffer.concat([first, await buffer(stream)]));
      const cut = 'dying/big one.slp';
      expect(Object.keys(files).toSorted()).toEqual([cut, 'good/a.slp']);
      const vm = manifest.vms.find(({ hostname }) => hostname === 'dying');
      const entry = vm?.entries[0];
      expect(vm?.failure?.kind).toBe('connection_lost');
      expect(entry).toMatchObject({ name: cut, cut: true });
      expect(files[cut]).toBe(sha256(content.subarray(0, entry?.bytes)));
      expect(missing).toContain(
        `"${cut}": Cut short after ${entry?.bytes ?? 0} bytes. The machine stopped sending`,
      );
    },
    LONG_TEST_MS,
  );

  test(
    'a machine that stalls is given up after the stall time-out, and none of its connections stays',
    async () => {
      await using lab = startLab({ limits: { stallMs: 1_500 } });
      const good = await lab.machine('good');
      const stalling = await lab.machine('stalling', { programs: tarThen(2_000_000, 'sleep 600') });
      const mute = await lab.machine('mute', { programs: { tar: 'sleep 600' } });
      await writeFiles(good.sshd.folder, { 'a.slp': 'whole' });
      await writeFiles(mute.sshd.folder, { 'a.slp': 'never sent' });
      await writeFiles(stalling.sshd.folder, {
        'one.slp': Buffer.alloc(1_500_000, 'one'),
        'two.slp': Buffer.alloc(1_500_000, 'two'),
        'three.slp': 'three',
      });
      const { files, manifest, missing } = await lab.archive([stalling.target, mute.target, good.target]);
      expect(files['good/a.slp']).toBe(sha256('whole'));
      const stalled = manifest.vms.find(({ hostname }) => hostname === 'stalling');
      expect(stalled?.entries.filter(({ cut }) => cut)).toHaveLength(1);
      expect(manifest.vms.map(({ hostname, failure }) => [hostname, failure?.reason])).toEqual([
        [
          'stalling',
          expect.stringMatching(/^The machine sent (nothing|only \d+ bytes) for 1\.5 s\. Check the machine/),
        ],
        ['mute', 'The machine sent nothing for 1.5 s. Check the machine, then download again.'],
        ['good', undefined],
      ]);
      expect(missing).toContain('"mute/a.slp": The machine sent nothing for 1.5 s.');
      expect(missing).toMatch(/"stalling\/\w+\.slp": Cut short after \d+ bytes\./);
      for (const { sshd } of [stalling, mute])
        await vi.waitFor(() => expect(sshd.children()).toEqual([]), WAIT);
    },
    LONG_TEST_MS,
  );

  test(
    'a machine that sends a byte now and then is given up as well, during its search and while it sends',
    async () => {
      await using lab = startLab({ limits: { stallMs: 5_000, searchStallMs: 5_000, searchMs: 9_000 } });
      const good = await lab.machine('good');
      const drip = (step: string): string => `while :; do ${step}; sleep 0.2; done`;
      const dripping = await lab.machine('dripping', { programs: tarThen(1_200_000, drip('printf x')) });
      const listing = await lab.machine('listing', { programs: { find: drip('printf x') } });
      const record = '8 f 1 1764033000.0 %0100d.slp\\0';
      const endless = await lab.machine('endless', {
        programs: {
          find: `i=0; ${drip(`i=$((i+1)); for n in $(seq 20); do printf '${record}' $i$n; done`)}`,
        },
      });
      await writeFiles(good.sshd.folder, { 'a.slp': 'whole' });
      await writeFiles(dripping.sshd.folder, { 'one.slp': Buffer.alloc(1_500_000, 'one') });
      const machines = [dripping, listing, endless, good];
      const { files, manifest } = await lab.archive(machines.map(({ target }) => target));
      expect(Object.keys(files).toSorted()).toEqual(['dripping/one.slp', 'good/a.slp']);
      expect(manifest.vms.map(({ hostname, failure }) => [hostname, failure?.reason])).toEqual([
        ['dripping', expect.stringMatching(/^The machine sent only \d+ bytes for 5 s\./)],
        ['listing', expect.stringMatching(/^The machine sent only \d+ bytes for 5 s\./)],
        ['endless', expect.stringMatching(/^The machine did not finish within 9 s\./)],
        ['good', undefined],
      ]);
      for (const { sshd } of machines) await vi.waitFor(() => expect(sshd.children()).toEqual([]), WAIT);
    },
    LONG_TEST_MS,
  );

  test.each([
    [
      'a file that was not asked for',
      'add("./other.slp")',
      'sent a file that was not asked for: "other.slp"',
    ],
    ['a name above the folder', 'add("../../etc/passwd")', 'was not asked for: "../../etc/passwd"'],
    ['an absolute name', 'add("/etc/passwd")', 'was not asked for: "/etc/passwd"'],
    ['the same file twice', 'add("./a.slp"); add("./a.slp")', 'was not asked for: "a.slp"'],
    [
      'a link in the place of the file',
      'add("./a.slp", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"); t.close()',
      'It is no longer a regular file.',
    ],
    [
      'a size that its data does not reach',
      'i = tarfile.TarInfo("./a.slp"); i.size = 1000; raw(i.tobuf()); raw(b"y" * 10)',
      'Cut short after 10 bytes',
    ],
    [
      'a size that its data exceeds',
      'i = tarfile.TarInfo("./a.slp"); i.size = 1; raw(i.tobuf()); raw(b"y" * 5000)',
      'sent something that is not a tar archive',
    ],
    [
      'a size beyond all that it had listed',
      'i = tarfile.TarInfo("./a.slp"); i.size = 1 << 42; raw(i.tobuf(tarfile.GNU_FORMAT)); raw(b"y" * 5000)',
      'far larger than when it was listed',
    ],
    ['noise', 'raw(b"noise" * 1000)', 'sent something that is not a tar archive'],
    [
      'a name without end',
      'i = tarfile.TarInfo("x"); i.type = b"L"; i.size = 1 << 30; raw(i.tobuf())',
      'sent something that is not a tar archive',
    ],
    ['nothing', 'pass', 'reported success, but did not send all files'],
    ['an empty archive', 't.close()', 'reported success, but did not send all files'],
  ])(
    'a machine that sends %s is not believed',
    async (_, script, reason) => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('liar', { programs: tarOf(script) });
      await writeFiles(sshd.folder, { 'a.slp': 'x' });
      const { files, missing } = await lab.archive([target]);
      expect(missing).toContain(reason);
      expect(Object.keys(files).filter((name) => name !== 'liar/a.slp')).toEqual([]);
    },
    LONG_TEST_MS,
  );

  test(
    'a file that is written to while it is read is marked in the manifest, whatever its name is',
    async () => {
      await using lab = startLab();
      const name = 'Übung "2"\n.slp';
      // The last megabyte is cut off once tar has read the first one and a half.
      const tar = `/usr/bin/tar "$@" | { head -c 1500000; truncate -s 5000000 "$FOLDER/${name.replaceAll('"', '\\"')}"; cat; }`;
      const { sshd, target } = await lab.machine('busy', { programs: { tar } });
      await writeFiles(sshd.folder, { [name]: Buffer.alloc(6_000_000, 'x'), 'quiet.slp': 'y' });
      const { manifest, csv } = await lab.archive([target]);
      expect(
        manifest.vms[0]?.entries.map(({ name: own, changed = false }) => [own, changed]).toSorted(),
      ).toEqual([
        ['busy/quiet.slp', false],
        ['busy/Übung _2__.slp', true],
      ]);
      expect(csv.split('\r\n').filter((row) => row.includes('Changed while it was read.'))).toHaveLength(1);
    },
    LONG_TEST_MS,
  );

  test(
    'a file that grows or is deleted during the download does not spoil the archive, and the deleted one is reported',
    async () => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('busy', {
        programs: { tar: 'rm "$FOLDER/gone.slp"; echo more >> "$FOLDER/log.slp"; exec /usr/bin/tar "$@"' },
      });
      await writeFiles(sshd.folder, { 'gone.slp': 'x', 'log.slp': 'line\n', 'stays.slp': 'y' });
      const { files, manifest, missing } = await lab.archive([target]);
      expect(files).toEqual({ 'busy/log.slp': sha256('line\nmore\n'), 'busy/stays.slp': sha256('y') });
      expect(missing).toContain('"busy/gone.slp": It has gone, or could not be read.');
      expect(manifest.vms[0]).toMatchObject({ failure: null, files: 2 });
      expect(manifest.vms[0]?.notes.join()).toContain('gone.slp: Cannot stat: No such file');
    },
    LONG_TEST_MS,
  );

  test(
    'what a machine of these tests has started ends with it, also what has lost its connection',
    async () => {
      const table = await openProcessTable(SSHD_MARK);
      const running = async (): Promise<number> => (await table.marked(dirname(folder))).length;
      let folder = '';
      {
        // Long enough for the search of a slow computer, after which tar begins.
        await using lab = startLab({ limits: { stallMs: 4_000 } });
        const { sshd, target } = await lab.machine('mute', { programs: { tar: 'sleep 600' } });
        folder = sshd.folder;
        await writeFiles(folder, { 'a.slp': 'never sent' });
        await lab.archive([target]);
        // A real program ends when it writes the next time; this one never does.
        await vi.waitFor(() => expect(sshd.children()).toEqual([]), WAIT);
        expect(await running()).toBeGreaterThan(0);
      }
      expect(await running()).toBe(0);
    },
    LONG_TEST_MS,
  );
});

describe.skipIf(!hasSshd)('the client', () => {
  test(
    'when the client leaves, every connection to the machines ends, also during the search',
    async () => {
      await using lab = startLab();
      const machines = await Promise.all(['vm-1', 'vm-2', 'vm-3'].map((name) => lab.machine(name)));
      const slow = await lab.machine('slow', { programs: { find: 'sleep 600' } });
      const targets = machines.map(({ target }) => target);
      for (const { sshd } of machines) await writeFiles(sshd.folder, { 'a.slp': randomBytes(20 * MEGABYTE) });
      const stream = await lab.stream(targets);
      await firstPiece(stream);
      stream.destroy();
      const leaving = new AbortController();
      const searching = lab.download([...targets, slow.target], leaving.signal);
      await vi.waitFor(() => expect(lab.collector.downloads()[0]?.vmsSearched).toBe(3), WAIT);
      leaving.abort();
      expect((await searching).ok).toBe(false);
      for (const { sshd } of [...machines, slow])
        await vi.waitFor(() => expect(sshd.children()).toEqual([]), WAIT);
      expect(lab.collector.downloads().map(({ state }) => state)).toEqual(['abandoned', 'abandoned']);
      expect(lab.reports).toEqual([]);
    },
    LONG_TEST_MS,
  );

  test(
    'when the client reads slowly, the machines wait, and memory stays bounded',
    async () => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('vm-1');
      const size = 200 * MEGABYTE;
      execFileSync('fallocate', ['-l', String(size), join(sshd.folder, 'large.slp')]);
      const stream = await lab.stream([target]);
      let read = (await firstPiece(stream)).length;
      const sent = (): number => lab.collector.downloads()[0]?.bytes ?? 0;
      // Until nothing moves any more: as much as fits was taken.
      let before = -1;
      await vi.waitFor(
        () => {
          const now = sent();
          const rests = now === before && now > 0;
          before = now;
          expect(rests).toBe(true);
        },
        { ...WAIT, interval: 500 },
      );
      expect(sent()).toBeLessThan(4 * MEGABYTE);
      let peak = 0;
      for await (const piece of stream) {
        read += (piece as Buffer).length;
        peak = Math.max(peak, process.memoryUsage().arrayBuffers);
      }
      expect(read).toBeGreaterThan(size);
      // Read-ahead, SSH window and a few pieces: far below the file's size.
      expect(peak).toBeLessThan(100 * MEGABYTE);
      expect(lab.reports[0]).toMatchObject({ failure: null, files: [{ bytes: size, cut: false }] });
    },
    LONG_TEST_MS,
  );

  test(
    'two downloads run side by side, and one more than allowed is refused as overloaded',
    async () => {
      await using lab = startLab({ limits: { downloads: 2, sending: 1 } });
      const { sshd, target } = await lab.machine('vm-1');
      const content = randomBytes(5 * MEGABYTE);
      await writeFiles(sshd.folder, { 'a.slp': content });
      const [one, two] = await Promise.all([lab.stream([target]), lab.stream([target])]);
      expect(await lab.download([target])).toMatchObject({ failure: { code: 'overloaded' } });
      // The first client pauses, which does not affect the second.
      const asleep = await firstPiece(one);
      const whole = await openArchive(await buffer(two));
      expect(whole.files).toEqual({ 'vm-1/a.slp': sha256(content) });
      const late = await openArchive(Buffer.concat([asleep, await buffer(one)]));
      expect(late.files).toEqual(whole.files);
      const after = await lab.archive([target]);
      expect(after.files).toEqual(whole.files);
    },
    LONG_TEST_MS,
  );
});
