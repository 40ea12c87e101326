// The process that all local VMs share: it ends with the last of them, takes them all along when it dies, and is ended with a VM
// that does not obey.
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { vmPaths } from '../../src/provision/local/vm-folder.ts';
import {
  destroy,
  folders,
  launch,
  openLab,
  running,
  startStubAllocator,
  type Lab,
  type StubAllocator,
} from './local-lab.ts';

const CRASHING_HOST = fileURLToPath(new URL('./crashing-host.ts', import.meta.url));
const LONG_WAIT = { timeout: 20_000, interval: 20 };

let stub: StubAllocator;
beforeAll(async () => {
  stub = await startStubAllocator();
});
afterAll(() => stub[Symbol.asyncDispose]());

const open = (): Promise<Lab> => openLab(() => stub.url);

test('local VMs share one process, which ends with the last of them', async () => {
  await using lab = await open();
  const provider = lab.provider();
  await provider.start();
  expect(await lab.processes()).toEqual([]);
  await launch(provider, ['vm-1', 'vm-2', 'vm-3']);
  const pids = async () => new Set((await lab.processes()).map(({ pid }) => pid));
  const first = await pids();
  expect(first.size).toBe(1);
  await destroy(provider, ['vm-1', 'vm-2']);
  expect([await running(lab), await pids()]).toEqual([['vm-3'], first]);
  await destroy(provider, ['vm-3']);
  expect(await lab.processes()).toEqual([]);
  await launch(provider, ['vm-4']);
  expect(await pids()).not.toEqual(first);
});

test('local VMs whose process dies repeatedly are given up, each reported once', async () => {
  await using lab = await open();
  const provider = lab.provider({ timeouts: { restartMs: [1, 1] } });
  await provider.start();
  await launch(provider, ['vm-1', 'vm-2']);
  for (let deaths = 1; deaths <= 3; deaths++) {
    await expect.poll(() => running(lab), LONG_WAIT).toEqual(['vm-1', 'vm-2']);
    const [{ pid } = { pid: 0 }] = await lab.processes();
    process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => lab.logLines.filter((line) => /VM died|given up/.test(line)).length, LONG_WAIT)
      .toBe(2 * deaths);
  }
  await expect.poll(() => lab.lost, LONG_WAIT).toHaveLength(2);
  for (const lost of lab.lost) expect(lost).toMatch(/\(signal SIGKILL\).*restarted 2 times without success/);
  expect([await running(lab), await folders(lab)]).toEqual([[], ['vm-1', 'vm-2']]);
  expect(await destroy(provider, 'all')).toEqual({ ok: true });
  expect(await folders(lab)).toEqual([]);
});

test('a local VM that never gives the processor back is ended with the process, and others come back', async () => {
  await using lab = await open();
  const timeouts = { restartMs: [1, 1, 1], graceMs: 1, unresponsiveMs: 50 };
  const provider = lab.provider({ hostProgram: CRASHING_HOST, timeouts });
  await provider.start();
  await launch(provider, ['vm-1', 'vm-2']);
  const before = await lab.processes();
  const usedSeconds = await processorSeconds(before[0]!.pid);
  await writeFile(join(lab.root, 'vm-1', 'hang'), '');
  await appendFile(vmPaths(join(lab.root, 'vm-1')).log, 'a line\n');
  // Much more than waiting agents use in this time.
  await expect.poll(() => processorSeconds(before[0]!.pid), LONG_WAIT).toBeGreaterThan(usedSeconds + 1);
  expect(await destroy(provider, ['vm-1'])).toEqual({ ok: true });
  await expect.poll(() => running(lab), LONG_WAIT).toEqual(['vm-2']);
  expect((await lab.processes())[0]!.pid).not.toBe(before[0]!.pid);
  expect([lab.lost, await folders(lab)]).toEqual([[], ['vm-2']]);
});

test('a launch that needs more than the free memory is refused', async () => {
  await using lab = await open();
  const provider = lab.provider({ limits: { vmMemoryBytes: 2 ** 50 } });
  await provider.start();
  expect(await launch(provider, ['vm-1'])).toMatchObject({ ok: false, failure: { code: 'capacity' } });
  expect(await folders(lab)).toEqual([]);
});

/** Linux counts hundredths; utime and stime are fields 14 and 15 in proc_pid_stat(5). */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
