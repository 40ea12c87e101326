// How local VMs are kept: marks of processes, turns, restarts.
import { spawn } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { listDescendants } from '../../src/provision/local/descendants.ts';
import { createGate } from '../../src/provision/local/gate.ts';
import { keepMachine, type KeeperOptions } from '../../src/provision/local/keeper.ts';
import { endMarkedProcesses } from '../../src/process/end-marked.ts';
import { openProcessTable, readPsOutput } from '../../src/process/process-table.ts';
import { LOCAL_VM_MARK } from '../../src/provision/local/machine-environment.ts';
import type { CameUp } from '../../src/provision/local/machine-process.ts';
import { isRunning } from './local-lab.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-parts-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('processes', () => {
  test('a process is found by its mark, and so is what it started and disowned', async () => {
    const root = join(folder, 'marked vms');
    const child = spawn('/bin/sh', ['-c', 'setsid sleep 1000 & sleep 1000 & echo $!; wait'], {
      env: { PATH: '/usr/bin:/bin', [LOCAL_VM_MARK.variable]: join(root, 'vm-1') },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const table = await openProcessTable(LOCAL_VM_MARK);
    await expect.poll(async () => (await table.marked(root)).length).toBe(3);
    expect(await table.marked(folder)).toEqual([]);
    expect(await table.marked(`${root}2`)).toEqual([]);
    expect(await endMarkedProcesses(table, root, new Set([join(root, 'vm-2')]))).toEqual({
      ended: 0,
      survivors: [],
    });
    expect(await isRunning(child.pid!)).toBe(true);
    expect(await endMarkedProcesses(table, root)).toEqual({ ended: 3, survivors: [] });
    expect(await isRunning(child.pid!)).toBe(false);
  });

  test('where there is no /proc, ps is read: marks with spaces too, and nothing but marks', () => {
    const output = [
      '    1 Mon Nov 23 13:00:00 2026 /sbin/launchd',
      '  812 Mon Nov 23 13:51:19 2026 /opt/node/bin/node --x /srv/lab/src/machine-main.ts --local-vm=/data/my lab/local-vms/vm-1',
      '  813 Mon Nov 23 13:51:20 2026 node machine-main.ts --local-vm=/data/other/local-vms/vm-2',
      '  814 Mon Nov  2 13:51:20 2026 grep --local-vm=/data/my lab/local-vms/vm-1/log',
      '',
    ].join('\n');
    expect(readPsOutput(output, '/data/my lab/local-vms', LOCAL_VM_MARK.argument)).toEqual([
      { pid: 812, started: 'Mon Nov 23 13:51:19 2026', folder: '/data/my lab/local-vms/vm-1' },
    ]);
  });

  test('the processes of a machine are those that it has started, and theirs', async () => {
    const child = spawn('/bin/sh', ['-c', '/bin/sh -c "sleep 1001; true" & echo $!; wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect
      .poll(async () =>
        (await listDescendants(child.pid!))?.map(({ commandLine }) => commandLine.join(' ')).sort(),
      )
      .toEqual(['/bin/sh -c sleep 1001; true', 'sleep 1001']);
    process.kill(-child.pid!, 'SIGKILL');
    expect(await listDescendants(2 ** 22 + 1)).toBeNull();
  });
});

describe('turns', () => {
  test('so many run at once, the others in order, and a place is never lost', async () => {
    const gate = createGate(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const leaving = new AbortController();
    const work = (index: number) => async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      order.push(index);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (index === 3) throw new Error('work may fail');
    };
    const passes = Array.from({ length: 10 }, (_, index) =>
      gate.pass(work(index), index === 5 ? leaving.signal : undefined).then(
        () => 'done',
        (error: unknown) => (error as Error).message,
      ),
    );
    leaving.abort(new Error('left'));
    const ends = await Promise.all(passes);
    expect({ most, order }).toEqual({ most: 2, order: [0, 1, 2, 3, 4, 6, 7, 8, 9] });
    expect(ends).toEqual([
      'done',
      'done',
      'done',
      'work may fail',
      'done',
      'left',
      'done',
      'done',
      'done',
      'done',
    ]);
    expect(await gate.pass(() => Promise.resolve('again'))).toBe('again');
  });
});

describe('keeping a machine', () => {
  /** A machine process that comes up, or not, and ends when it is told to here. */
  function fakeProcess(up: CameUp) {
    const ended = Promise.withResolvers<string>();
    return {
      process: {
        up: Promise.resolve(up),
        ended: ended.promise,
        terminate: vi.fn(() => ended.resolve('exit code 0')),
        kill: vi.fn(() => ended.resolve('signal SIGKILL')),
      },
      die: () => ended.resolve('exit code 9'),
    };
  }

  function keep(starts: (ReturnType<typeof fakeProcess> | Error)[], changes: Partial<KeeperOptions> = {}) {
    const told: string[] = [];
    const keeper = keepMachine({
      start: () => {
        const next = starts.shift();
        if (next === undefined) throw new Error('started once too often');
        told.push('start');
        return next instanceof Error ? Promise.reject(next) : Promise.resolve(next.process);
      },
      cleanUp: () => Promise.resolve(void told.push('clean')),
      onUp: (port) => Promise.resolve(void told.push(`up ${port}`)),
      onDied: (how, ms) => void told.push(`died, again in ${ms}: ${how}`),
      onLost: (reason) => Promise.resolve(void told.push(`lost: ${reason}`)),
      patience: { restartMs: [1, 2], stableMs: 3_600_000, graceMs: 5_000 },
      ...changes,
    });
    return { keeper, told };
  }
  const up = { ok: true, sshPort: 22 } as const;

  test('one that dies is cleaned up after and started again, with longer waits, and is lost in the end', async () => {
    const lives = [fakeProcess(up), fakeProcess(up), fakeProcess(up)];
    for (const life of lives) life.die();
    const { keeper, told } = keep([...lives]);
    expect(await keeper.firstStart).toEqual(up);
    await expect.poll(() => told.at(-1)).toMatch(/^lost/);
    expect(told).toEqual([
      ...['start', 'up 22', 'clean', 'died, again in 1: Its process ended (exit code 9).'],
      ...['start', 'up 22', 'clean', 'died, again in 2: Its process ended (exit code 9).'],
      ...[
        'start',
        'up 22',
        'clean',
        'lost: Its process ended (exit code 9). It was started again 2 times, in vain.',
      ],
    ]);
    await keeper.end();
  });

  test('one that ran for long has its restarts back', async () => {
    const lives = Array.from({ length: 7 }, () => fakeProcess(up));
    const { keeper, told } = keep([...lives], { patience: { restartMs: [1], stableMs: -1, graceMs: 5_000 } });
    for (const life of lives.slice(0, 6)) life.die();
    await expect.poll(() => told.filter((line) => line === 'start').length).toBe(7);
    expect(told.some((line) => line.startsWith('lost'))).toBe(false);
    await keeper.end();
  });

  test('one that is ended is asked, and is not started again', async () => {
    const life = fakeProcess(up);
    const { keeper, told } = keep([life]);
    await keeper.firstStart;
    await keeper.end();
    expect(life.process.terminate).toHaveBeenCalledOnce();
    expect(life.process.kill).not.toHaveBeenCalled();
    expect(told).toEqual(['start', 'up 22']);
  });

  test.each([
    ['after its grace', 1, undefined],
    ['at once where it is forced', 3_600_000, AbortSignal.abort()],
  ])('one that does not listen is killed %s', async (_, graceMs, force) => {
    const life = fakeProcess(up);
    life.process.terminate.mockImplementation(() => undefined);
    const { keeper } = keep([life], { patience: { restartMs: [1], stableMs: 1, graceMs } });
    await keeper.firstStart;
    await keeper.end(force);
    expect(life.process.kill).toHaveBeenCalledOnce();
  });

  test('one that cannot be started is tried again; what came first is told', async () => {
    const { keeper, told } = keep([new Error('no memory'), fakeProcess(up)]);
    expect(await keeper.firstStart).toEqual({
      ok: false,
      reason: 'Its process could not be started: no memory.',
    });
    await expect.poll(() => told.at(-1)).toBe('up 22');
    await keeper.end();
  });

  test('one that is ended while it waits for its restart is not started again', async () => {
    const life = fakeProcess(up);
    life.die();
    const { keeper, told } = keep([life], {
      patience: { restartMs: [3_600_000], stableMs: 3_600_000, graceMs: 1 },
    });
    await expect.poll(() => told.at(-1)).toMatch(/^died/);
    await keeper.end();
    expect(told.filter((line) => line === 'start')).toHaveLength(1);
  });
});
