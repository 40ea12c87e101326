// Kills an allocator that runs local VMs with SIGKILL, in every phase: no process is left, and the next allocator runs every
// machine once.
import { fork, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { vmPaths } from '../../src/provision/local/vm-folder.ts';
import {
  destroy,
  folders,
  recordReport,
  launch,
  openLab,
  running,
  startStubAllocator,
  type Lab,
  type StubAllocator,
} from './local-lab.ts';
import type { SupervisorMessage } from './local-supervisor.ts';
import { connect } from './ssh-client.ts';

const SUPERVISOR = fileURLToPath(new URL('./local-supervisor.ts', import.meta.url));
const NAMES = ['vm-1', 'vm-2', 'vm-3'];
/** Each test starts allocators and machines several times. */
const LONG_MS = 120_000;
const LONG_WAIT = { timeout: 20_000, interval: 50 };

let stub: StubAllocator;
beforeAll(async () => {
  stub = await startStubAllocator();
});
afterAll(() => stub[Symbol.asyncDispose]());

type Supervisor = {
  readonly messages: SupervisorMessage[];
  readonly kill: () => Promise<void>;
  readonly process: ChildProcess;
};

function supervise(lab: Lab, end: 'keep' | 'destroy' = 'keep'): Supervisor {
  const child = fork(SUPERVISOR, [lab.dataDir, stub.url, lab.key.publicKey, NAMES.join(','), end], {
    execArgv: [],
  });
  const messages: SupervisorMessage[] = [];
  child.on('message', (message) => messages.push(message as SupervisorMessage));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  return {
    process: child,
    messages,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const count = ({ messages }: Supervisor, kind: SupervisorMessage['kind']): number =>
  messages.filter((message) => message.kind === kind).length;

describe('after a kill -9 of the allocator', { timeout: LONG_MS }, () => {
  test('after a kill -9 of the allocator, the local VMs and their commands end within seconds', async () => {
    await using lab = await openLab(() => stub.url);
    const supervisor = supervise(lab);
    await expect.poll(() => count(supervisor, 'launched'), LONG_WAIT).toBe(1);
    const [listed] = await lab.provider().list();
    const ssh = await connect(listed?.ssh ?? {}, { privateKey: lab.key.privateKey });
    const cut = new Promise((resolve) => ssh.client.once('close', () => resolve(undefined)));
    await ssh.start('setsid sleep 1000');
    await expect.poll(async () => (await lab.processes()).length, LONG_WAIT).toBeGreaterThan(NAMES.length);
    const before = (await lab.processes()).length;
    const killedAt = performance.now();
    await supervisor.kill();
    await expect.poll(() => running(lab), LONG_WAIT).toEqual([]);
    await cut;
    console.log(
      `${before} processes, none left ${((performance.now() - killedAt) / 1000).toFixed(1)} s after the kill`,
    );
    expect(await folders(lab)).toEqual(NAMES);
  });

  test('after a kill -9 of the allocator, local VMs that were just starting end too', async () => {
    const seen: number[] = [];
    for (let round = 0; round < 4; round++) {
      await using lab = await openLab(() => stub.url);
      const supervisor = supervise(lab);
      await expect
        .poll(async () => (await running(lab)).length, { ...LONG_WAIT, interval: 1 })
        .toBeGreaterThan(round % 2);
      await supervisor.kill();
      seen.push((await running(lab)).length);
      await expect.poll(() => running(lab), LONG_WAIT).toEqual([]);
    }
    expect(Math.max(...seen)).toBeGreaterThan(0);
    console.log(
      `killed while machines were starting; processes seen right after, none later: ${seen.join(', ')}`,
    );
  });

  test('after a kill -9, the next start kills what is left and starts every local VM once', async () => {
    await using lab = await openLab(() => stub.url);
    const supervisor = supervise(lab);
    await expect.poll(() => count(supervisor, 'launched'), LONG_WAIT).toBe(1);
    const old = await lab.processes();
    // A machine that hangs does not notice that its allocator has died.
    for (const { pid } of old) process.kill(pid, 'SIGSTOP');
    await supervisor.kill();
    expect(await running(lab)).toEqual(NAMES);
    const provider = lab.provider();
    await provider.start();
    expect(await running(lab)).toEqual(NAMES);
    const now = await lab.processes();
    const oldPids = new Set(old.map(({ pid }) => pid));
    expect(now.some(({ pid }) => oldPids.has(pid))).toBe(false);
    expect(lab.logLines.join('')).toMatch(
      /"processes":1,"msg":"Processes of local VMs of an earlier allocator/,
    );
    const report = recordReport();
    expect(await destroy(provider, 'all', report)).toEqual({ ok: true });
    expect({ ended: report.ended.sort(), running: await running(lab), folders: await folders(lab) }).toEqual({
      ended: NAMES,
      running: [],
      folders: [],
    });
  });

  test('after a kill -9 at any phase of a launch, the next allocator lists and destroys what exists', async () => {
    const seen: string[] = [];
    for (const phase of ['started', 1, 2, 3, 'launched'] as const) {
      await using lab = await openLab(() => stub.url);
      const supervisor = supervise(lab);
      await expect
        .poll(
          () =>
            typeof phase === 'number' ? count(supervisor, 'made') >= phase : count(supervisor, phase) > 0,
          LONG_WAIT,
        )
        .toBe(true);
      await supervisor.kill();
      const provider = lab.provider();
      const listed = (await provider.list()).map(({ hostname }) => hostname);
      await provider.start();
      const there = await running(lab);
      expect(new Set(there).size).toBe(there.length);
      expect(await folders(lab)).toEqual(listed);
      expect(there).toEqual(listed);
      expect(await destroy(provider, 'all')).toEqual({ ok: true });
      expect([await running(lab), await folders(lab)]).toEqual([[], []]);
      seen.push(`${phase}: ${listed.length}`);
    }
    console.log(`killed in a launch (phase: machines found, all ended): ${seen.join(', ')}`);
  });

  test('after a kill -9 at any phase of a destroy, the next allocator destroys the rest', async () => {
    const seen: string[] = [];
    for (const phase of ['launched', 1, 3] as const) {
      await using lab = await openLab(() => stub.url);
      const supervisor = supervise(lab, 'destroy');
      await expect
        .poll(
          () =>
            typeof phase === 'number' ? count(supervisor, 'gone') >= phase : count(supervisor, phase) > 0,
          { ...LONG_WAIT, interval: 1 },
        )
        .toBe(true);
      await supervisor.kill();
      const provider = lab.provider();
      await provider.start();
      const listed = (await provider.list()).map(({ hostname }) => hostname);
      expect(await running(lab)).toEqual(listed);
      expect(await destroy(provider, 'all')).toEqual({ ok: true });
      expect([await running(lab), await folders(lab)]).toEqual([[], []]);
      seen.push(`${phase}: ${listed.length}`);
    }
    console.log(`killed in a destroy (phase: machines found, all ended): ${seen.join(', ')}`);
  });
});

test('local VMs that are stopped while they boot end gracefully', async () => {
  await using lab = await openLab(() => stub.url);
  const provider = lab.provider();
  await provider.start();
  // The launch ends as soon as the machines are up; at that moment their agents are still starting.
  expect(await launch(provider, NAMES)).toEqual({ ok: true });
  await provider.stop();
  expect(await running(lab)).toEqual([]);
  for (const hostname of NAMES) {
    const { log } = vmPaths(join(lab.root, hostname));
    expect(await readFile(log, 'utf8')).toMatch(/INFO shut down\n$/);
  }
});
