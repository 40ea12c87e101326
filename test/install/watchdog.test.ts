// The watchdog of systemd: its reports stop when the database or the event loop hangs, and come while they only fail.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startNotices } from '../../src/app/service-manager.ts';
import { databaseHangs } from '../../src/db/health.ts';
import { createLog } from '../../src/log.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const SOON = { timeout: 30_000, interval: 10 };
/** Between two reports. */
const EVERY_MS = 50;
/** After which a database counts as one that hangs. */
const LIMIT_MS = 500;
/** WatchdogSec. */
const PERIOD_MS = 3_000;
/** On SIGUSR2 the program never returns to its event loop. */
const BLOCKS = `process.on('SIGUSR2', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));`;

describe('the reports to systemd', { timeout: 60_000 }, () => {
  test('stop while the database hangs, for new connections too, and come while it is away or back', async () => {
    await using database = await createTestDatabase();
    await using network = await startTcpProxy(database.connectionString);
    let sent = 0;
    let hangs = 0;
    const destination = new Writable({
      write: (line: Buffer, _encoding, done) => {
        if (line.toString().includes('The database hangs')) hangs += 1;
        done();
      },
    });
    const stop = await startNotices({
      notify: (notice) => Promise.resolve(notice === 'WATCHDOG=1' && (sent += 1)),
      hangs: () => databaseHangs(network.connectionString, LIMIT_MS),
      log: createLog({ level: 'error', destination }),
      everyMs: EVERY_MS,
    });
    onTestFinished(stop);
    const comeAgain = async (): Promise<void> => {
      const before = sent;
      await vi.waitFor(() => expect(sent).toBeGreaterThan(before + 2), SOON);
    };
    await comeAgain();

    network.freeze();
    const before = hangs;
    await vi.waitFor(() => expect(hangs).toBeGreaterThan(before), SOON);
    const sentBefore = sent;
    await vi.waitFor(() => expect(hangs).toBeGreaterThan(before + 10), SOON);
    expect(sent).toBe(sentBefore);

    await network.restore();
    await comeAgain();
    await network.cut();
    await comeAgain();
    await network.restore();
    await comeAgain();
    stop();
    await vi.waitFor(() => expect(network.open).toBe(0), SOON);
  });

  test('stop while the event loop is blocked, so that the watchdog ends the program', async () => {
    await using database = await createTestDatabase();
    const folder = await mkdtemp(join(tmpdir(), 'lablink-watchdog-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const notices = join(folder, 'notices');
    await writeFile(notices, '');
    await writeFile(join(folder, 'blocks.mjs'), BLOCKS);
    await writeFile(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${notices}\n`, { mode: 0o755 });
    await using program = startProgram(['serve'], {
      PATH: `${folder}:${process.env['PATH'] ?? ''}`,
      DATA_DIR: join(folder, 'data'),
      DATABASE_URL: database.connectionString,
      PROVIDER: 'external',
      NODE_OPTIONS: `--import=${join(folder, 'blocks.mjs')}`,
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: String(PERIOD_MS * 1_000),
    });
    await program.url();
    // As systemd: without a report for this long, the program is killed.
    let timer: NodeJS.Timeout | undefined;
    const watcher = watch(notices, () => {
      clearTimeout(timer);
      timer = setTimeout(() => program.child.kill('SIGKILL'), PERIOD_MS);
    });
    onTestFinished(() => {
      watcher.close();
      clearTimeout(timer);
    });
    const reports = async (): Promise<number> =>
      (await readFile(notices, 'utf8')).split('\n').filter((line) => line === 'WATCHDOG=1').length;
    // More than one period, without which it would have been killed.
    await vi.waitFor(async () => expect(await reports()).toBeGreaterThan(3), SOON);
    program.child.kill('SIGUSR2');
    expect(await program.ended).toBe('SIGKILL');
  });
});
