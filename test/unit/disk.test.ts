// The space of the disk of the embedded database, before the database would stop for want of it.
import { describe, expect, test } from 'vitest';
import { createDisk } from '../../src/app/disk.ts';
import { createLogIntake } from '../../src/handlers/log-intake.ts';
import { good } from '../support/load-config.ts';

const MB = 1_000_000;

function prepare(env: Readonly<Record<string, string>> = {}) {
  const disk = { free: 5_000 * MB, nowMs: 0, reads: 0 };
  const created = createDisk({
    dataDir: '/data',
    config: good(env).config,
    readFree: () => {
      disk.reads += 1;
      return disk.free < 0 ? Promise.reject(new Error('EIO')) : Promise.resolve(disk.free);
    },
    nowMs: () => disk.nowMs,
  });
  return { disk, ...created };
}

describe('the disk of the embedded database', () => {
  test('with enough space, health is silent and logs are stored', async () => {
    const { check, hasSpaceForLogs } = prepare();
    expect([await check.check(), await hasSpaceForLogs()]).toEqual([null, true]);
  });

  test('health warns before logs are refused, and says what happens then', async () => {
    const { disk, check, hasSpaceForLogs } = prepare();
    disk.free = 900 * MB;
    expect(await check.check()).toContain('900 MB are free on the disk of /data. Below 500 MB');
    expect(await hasSpaceForLogs()).toBe(true);
  });

  test('below the least space logs are refused, and stored again once there is space', async () => {
    const { disk, check, hasSpaceForLogs } = prepare();
    disk.free = 499 * MB;
    expect(await hasSpaceForLogs()).toBe(false);
    expect(await check.check()).toContain('The logs of machines are refused until there is more.');
    disk.free = 5_000 * MB;
    expect(await hasSpaceForLogs(), 'the space is not read for each batch').toBe(false);
    disk.nowMs += 5_000;
    expect([await hasSpaceForLogs(), disk.reads]).toEqual([true, 2]);
  });

  test('a disk that cannot be asked stops nothing', async () => {
    const { disk, check, hasSpaceForLogs } = prepare();
    disk.free = -1;
    expect([await check.check(), await hasSpaceForLogs()]).toEqual([null, true]);
  });

  test.each([
    ['another server has the database', { DATABASE_URL: 'postgres://lablink@db.example.org/lablink' }],
    ['MIN_FREE_DISK_MB is 0', { MIN_FREE_DISK_MB: '0' }],
  ])('nothing is checked where %s', async (_where, env) => {
    const { disk, check, hasSpaceForLogs } = prepare(env);
    disk.free = 0;
    expect([await check.check(), await hasSpaceForLogs(), disk.reads]).toEqual([null, true, 0]);
  });
});

test('a batch of logs is refused with 503 storage_full before the database is asked', async () => {
  const refuse = () => {
    throw new Error('the database was asked');
  };
  const intake = createLogIntake({
    db: new Proxy({}, { get: refuse }) as never,
    logQueue: { write: refuse },
    hasSpaceForLogs: () => Promise.resolve(false),
  });
  const body = { log_group: 'g', log_stream: 'lab-pc-1', messages: ['a line'] };
  expect(await intake({ body } as never)).toMatchObject({ status: 503, body: { code: 'storage_full' } });
});
