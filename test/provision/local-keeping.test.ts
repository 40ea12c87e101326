// How local VMs are supervised: their processes are found by a mark, and restarted when they end.
import { spawn } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { listProcessTrees } from '../../src/provision/local/descendants.ts';
import { superviseVm, type SupervisorOptions } from '../../src/provision/local/supervisor.ts';
import { endMarkedProcesses } from '../../src/process/end-marked.ts';
import { openProcessTable, readPsOutput } from '../../src/process/process-table.ts';
import { LOCAL_VM_MARK } from '../../src/provision/local/host-protocol.ts';
import type { StartResult } from '../../src/provision/local/host-process.ts';
import { succeed } from '../../src/result.ts';
import { isRunning } from './local-lab.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-parts-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('processes', () => {
  test('a process, its children and its orphaned children are found by their mark', async () => {
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

  test('without /proc, marks are read from the output of ps, even if they contain spaces', () => {
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

  test('the processes of a local VM are its commands, their children and the children of those', async () => {
    const command = '/bin/sh -c "sleep 1001; true" & echo $!; wait';
    const child = spawn('/bin/sh', ['-c', command], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect
      .poll(async () =>
        (await listProcessTrees([child.pid!]))?.map(({ commandLine }) => commandLine.join(' ')).sort(),
      )
      .toEqual([`/bin/sh -c ${command}`, '/bin/sh -c sleep 1001; true', 'sleep 1001']);
    process.kill(-child.pid!, 'SIGKILL');
    expect(await listProcessTrees([2 ** 22 + 1])).toEqual([]);
    expect(await listProcessTrees([child.pid!], '/nowhere')).toBeNull();
  });
});

describe('supervising a local VM', () => {
  /** A fake process whose start has this result, and which ends when the test calls `die`. */
  function fakeProcess(ready: StartResult) {
    const ended = Promise.withResolvers<string>();
    return {
      process: {
        ready: Promise.resolve(ready),
        ended: ended.promise,
        terminate: vi.fn(() => ended.resolve('exit code 0')),
        kill: vi.fn(() => ended.resolve('signal SIGKILL')),
      },
      die: () => ended.resolve('exit code 9'),
    };
  }

  function supervise(
    starts: (ReturnType<typeof fakeProcess> | Error)[],
    changes: Partial<SupervisorOptions> = {},
  ) {
    const events: string[] = [];
    const supervisor = superviseVm({
      start: () => {
        const next = starts.shift();
        if (next === undefined) throw new Error('started once too often');
        events.push('start');
        return next instanceof Error ? Promise.reject(next) : Promise.resolve(next.process);
      },
      cleanUp: () => Promise.resolve(void events.push('clean')),
      onReady: (port) => Promise.resolve(void events.push(`up ${port}`)),
      onDied: (how, ms) => void events.push(`died, again in ${ms}: ${how}`),
      onLost: (reason) => Promise.resolve(void events.push(`lost: ${reason}`)),
      timeouts: { restartMs: [1, 2], stableMs: 3_600_000, graceMs: 5_000 },
      ...changes,
    });
    return { supervisor, events };
  }
  const up = succeed(22);

  test('a local VM that dies is cleaned up and restarted after growing delays, and finally given up as lost', async () => {
    const lives = [fakeProcess(up), fakeProcess(up), fakeProcess(up)];
    for (const life of lives) life.die();
    const { supervisor, events } = supervise([...lives]);
    expect(await supervisor.firstStart).toEqual(up);
    await expect.poll(() => events.at(-1)).toMatch(/^lost/);
    expect(events).toEqual([
      ...['start', 'up 22', 'clean', 'died, again in 1: Its process ended (exit code 9).'],
      ...['start', 'up 22', 'clean', 'died, again in 2: Its process ended (exit code 9).'],
      ...[
        'start',
        'up 22',
        'clean',
        'lost: Its process ended (exit code 9). It was restarted 2 times without success.',
      ],
    ]);
    await supervisor.stop();
  });

  test('the count of restarts starts again after a local VM has run for a long time', async () => {
    const lives = Array.from({ length: 7 }, () => fakeProcess(up));
    const { supervisor, events } = supervise([...lives], {
      timeouts: { restartMs: [1], stableMs: -1, graceMs: 5_000 },
    });
    for (const life of lives.slice(0, 6)) life.die();
    await expect.poll(() => events.filter((line) => line === 'start').length).toBe(7);
    expect(events.some((line) => line.startsWith('lost'))).toBe(false);
    await supervisor.stop();
  });

  test('stopping a local VM terminates its process gracefully and does not restart it', async () => {
    const life = fakeProcess(up);
    const { supervisor, events } = supervise([life]);
    await supervisor.firstStart;
    await supervisor.stop();
    expect(life.process.terminate).toHaveBeenCalledOnce();
    expect(life.process.kill).not.toHaveBeenCalled();
    expect(events).toEqual(['start', 'up 22']);
  });

  test.each([
    ['after its grace period', 1, undefined],
    ['at once if it is forced', 3_600_000, AbortSignal.abort()],
  ])('a local VM that ignores the stop is killed %s', async (_, graceMs, force) => {
    const life = fakeProcess(up);
    life.process.terminate.mockImplementation(() => undefined);
    const { supervisor } = supervise([life], { timeouts: { restartMs: [1], stableMs: 1, graceMs } });
    await supervisor.firstStart;
    await supervisor.stop(force);
    expect(life.process.kill).toHaveBeenCalledOnce();
  });

  test('a local VM that cannot be started is started again, and the first failure is returned', async () => {
    const { supervisor, events } = supervise([new Error('no memory'), fakeProcess(up)]);
    expect(await supervisor.firstStart).toEqual({
      ok: false,
      failure: {
        code: 'not_started',
        message: 'Its process could not be started: no memory.',
        remedy: 'Look at the log of the machine.',
      },
    });
    await expect.poll(() => events.at(-1)).toBe('up 22');
    await supervisor.stop();
  });

  test('a local VM that is stopped before its next restart is not restarted', async () => {
    const life = fakeProcess(up);
    life.die();
    const { supervisor, events } = supervise([life], {
      timeouts: { restartMs: [3_600_000], stableMs: 3_600_000, graceMs: 1 },
    });
    await expect.poll(() => events.at(-1)).toMatch(/^died/);
    await supervisor.stop();
    expect(events.filter((line) => line === 'start')).toHaveLength(1);
  });
});
