// An admin restarts a local machine: its processes end and new ones start; its folder stays.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  recordReport,
  launch,
  openLab,
  running,
  startStubAllocator,
  type Lab,
  type StubAllocator,
} from './local-lab.ts';

const LONG_WAIT = { timeout: 20_000, interval: 20 };

let stub: StubAllocator;
beforeAll(async () => {
  stub = await startStubAllocator();
});
afterAll(() => stub[Symbol.asyncDispose]());

const open = (): Promise<Lab> => openLab(() => stub.url);

describe('restarting a local VM', () => {
  test('a restart ends the processes of a local VM and starts it again with its files and its SSH port', async () => {
    await using lab = await open();
    const provider = lab.provider();
    await provider.start();
    const report = recordReport();
    await launch(provider, ['vm-r1', 'vm-r2'], report);
    await expect.poll(() => stub.statusesOf('vm-r1'), LONG_WAIT).toEqual(['initializing', 'running']);
    const work = join(lab.root, 'vm-r1', 'Desktop', 'work.txt');
    await writeFile(work, 'kept');
    expect(await provider.restart?.('vm-r1', new AbortController().signal)).toEqual({ ok: true });
    expect(await running(lab)).toEqual(['vm-r1', 'vm-r2']);
    expect(await readFile(work, 'utf8')).toBe('kept');
    await expect
      .poll(() => stub.statusesOf('vm-r1').filter((each) => each === 'running').length, LONG_WAIT)
      .toBe(2);
    expect(stub.statusesOf('vm-r2').filter((each) => each === 'running')).toHaveLength(1);
  });
});
