// The local provider with a stub of the allocator: launches, failures, restarts, new ports, destroys.
import { appendFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
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
import { connect } from './ssh-client.ts';

const CRASHING_HOST = fileURLToPath(new URL('./crashing-host.ts', import.meta.url));
const LONG_WAIT = { timeout: 20_000, interval: 20 };

let stub: StubAllocator;
beforeAll(async () => {
  stub = await startStubAllocator();
});
afterAll(() => stub[Symbol.asyncDispose]());

const open = (): Promise<Lab> => openLab(() => stub.url);

const logOf = (lab: Lab, hostname: string): Promise<string> =>
  readFile(vmPaths(join(lab.root, hostname)).log, 'utf8');

describe('a launch', () => {
  test('a launch starts processes with their own folders that report with their own tokens', async () => {
    await using lab = await open();
    const provider = lab.provider();
    await provider.start();
    const report = recordReport();
    expect(await launch(provider, ['vm-a1', 'vm-a2', 'vm-a3'], report)).toEqual({ ok: true });
    expect(await running(lab)).toEqual(['vm-a1', 'vm-a2', 'vm-a3']);
    expect([...report.facts.keys()].sort()).toEqual(['vm-a1', 'vm-a2', 'vm-a3']);
    expect(new Set([...report.facts.values()].map(({ sshPort }) => sshPort)).size).toBe(3);
    expect(new Set([...report.facts.values()].map(({ sshHostKey }) => sshHostKey)).size).toBe(3);
    for (const { provisioningSeconds } of report.facts.values())
      expect(provisioningSeconds).toBeGreaterThan(0);
    await expect.poll(() => stub.statusesOf('vm-a2'), LONG_WAIT).toEqual(['initializing', 'running']);
    const reports = stub.reports.filter(({ body, path }) => body.includes('vm-a2') || path.includes('vm-a2'));
    expect(new Set(reports.map(({ token }) => token))).toEqual(new Set(['Bearer token-of-vm-a2']));
    expect(await destroy(provider, ['vm-a1', 'vm-a2'])).toEqual({ ok: true });
    expect([await running(lab), await folders(lab)]).toEqual([['vm-a3'], ['vm-a3']]);
  });

  test('secrets of a local VM are only in files of its owner, not in arguments or environments', async () => {
    await using lab = await open();
    const provider = lab.provider();
    await provider.start();
    await launch(provider, ['vm-1']);
    const { folder, vmFile } = vmPaths(join(lab.root, 'vm-1'));
    expect([(await stat(folder)).mode & 0o777, (await stat(vmFile)).mode & 0o777]).toEqual([0o700, 0o600]);
    expect(await readFile(vmFile, 'utf8')).toContain('token-of-vm-1');
    const [machine] = await lab.processes();
    for (const file of ['cmdline', 'environ']) {
      expect(await readFile(`/proc/${machine!.pid}/${file}`, 'utf8')).not.toContain('token-of-vm-1');
    }
  });

  test('launching an existing local VM keeps it, also with another token', async () => {
    await using lab = await open();
    const provider = lab.provider();
    await provider.start();
    const first = recordReport();
    await launch(provider, ['vm-b'], first);
    const [before] = await lab.processes();
    const second = recordReport();
    expect(await launch(provider, ['vm-b'], second)).toEqual({ ok: true });
    expect(second.facts.get('vm-b')).toEqual(first.facts.get('vm-b'));
    expect(await lab.processes()).toEqual([before]);
    const never = new AbortController().signal;
    const vms = [{ hostname: 'vm-b', token: 'a new token' }];
    const third = recordReport();
    expect(
      await provider.launch({ operationId: 'another', shutdownAt: null, vms }, third, never, never),
    ).toEqual({
      ok: true,
      value: undefined,
    });
    expect(third.facts.get('vm-b')).toEqual(first.facts.get('vm-b'));
    expect(await lab.processes()).toHaveLength(1);
    await expect
      .poll(
        () => stub.reports.some(({ token, body }) => token === 'Bearer a new token' && body.includes('vm-b')),
        LONG_WAIT,
      )
      .toBe(true);
    expect((await provider.list()).map(({ operationId }) => operationId)).toEqual(['another']);
  });

  test('a launch of local VMs that do not start reports why and leaves nothing', async () => {
    await using lab = await open();
    const provider = lab.provider({ limits: { readyTimeoutMs: 1 } });
    await provider.start();
    const report = recordReport();
    const result = await launch(provider, ['vm-1', 'vm-2'], report);
    expect(result).toMatchObject({ ok: false, failure: { code: 'program' } });
    expect(result.ok ? '' : result.failure.message).toMatch(
      /^2 of 2 machines could not be started: It was not up after/,
    );
    expect([...report.failures.keys()].sort()).toEqual(['vm-1', 'vm-2']);
    expect([await running(lab), await folders(lab), await provider.list()]).toEqual([[], [], []]);
  });
});

describe('a machine that dies', () => {
  test('a local VM that dies is restarted with its name, address and files', async () => {
    await using lab = await open();
    const provider = lab.provider({ timeouts: { restartMs: [1, 1] } });
    await provider.start();
    const report = recordReport();
    await launch(provider, ['vm-c'], report);
    const { desktop } = vmPaths(join(lab.root, 'vm-c'));
    await writeFile(join(desktop, 'mine.txt'), 'work');
    await expect.poll(() => stub.statusesOf('vm-c'), LONG_WAIT).toContain('running');
    const [before] = await lab.processes();
    process.kill(before!.pid, 'SIGKILL');
    await expect.poll(async () => (await lab.processes())[0]?.pid, LONG_WAIT).not.toBe(before!.pid);
    await expect
      .poll(() => stub.statusesOf('vm-c').filter((status) => status === 'running').length, LONG_WAIT)
      .toBe(2);
    expect(await readFile(join(desktop, 'mine.txt'), 'utf8')).toBe('work');
    expect((await provider.list())[0]?.ssh?.sshPort).toBe(report.facts.get('vm-c')?.sshPort);
    expect(lab.lost).toEqual([]);
  });

  test('a local VM that dies repeatedly is given up and reported once, and others keep running', async () => {
    await using lab = await open();
    const provider = lab.provider({ hostProgram: CRASHING_HOST, timeouts: { restartMs: [1, 1] } });
    await provider.start();
    await launch(provider, ['vm-1', 'vm-2']);
    for (const hostname of ['vm-1', 'vm-2'])
      await expect.poll(() => stub.statusesOf(hostname), LONG_WAIT).toContain('running');
    const before = await lab.processes();
    const statuses = stub.statusesOf('vm-2');
    await writeFile(join(lab.root, 'vm-1', 'crash'), '');
    // A line to ship is a request to send.
    await appendFile(vmPaths(join(lab.root, 'vm-1')).log, 'a line\n');
    await expect.poll(() => lab.lost, LONG_WAIT).toHaveLength(1);
    expect(lab.lost[0]).toBe(
      'vm-1: Its process ended (error: the agent has a bug). It was restarted 2 times without success.',
    );
    expect(lab.logLines.filter((line) => line.includes('VM died'))).toHaveLength(2);
    expect(await logOf(lab, 'vm-1')).toMatch(
      /ERROR crashed: Error: the agent has a bug\n +at .*crashing-host/,
    );
    expect(await lab.processes()).toEqual(before.filter(({ folder }) => basename(folder) === 'vm-2'));
    expect(stub.statusesOf('vm-2')).toEqual(statuses);
    expect((await provider.list()).map(({ hostname }) => hostname)).toEqual(['vm-1', 'vm-2']);
    expect(await destroy(provider, 'all')).toEqual({ ok: true });
    expect(await folders(lab)).toEqual([]);
  });

  test('a local VM that dies takes its running commands along', async () => {
    await using lab = await open();
    const provider = lab.provider({ timeouts: { restartMs: [] } });
    await provider.start();
    const report = recordReport();
    await launch(provider, ['vm-1'], report);
    const ssh = await connect(report.facts.get('vm-1')!, { privateKey: lab.key.privateKey });
    const cut = new Promise((resolve) => ssh.client.once('close', () => resolve(undefined)));
    const [machine] = await lab.processes();
    await ssh.start('setsid sleep 1000 & sleep 1000');
    await expect.poll(async () => (await lab.processes()).length, LONG_WAIT).toBeGreaterThanOrEqual(3);
    process.kill(machine!.pid, 'SIGKILL');
    await cut;
    await expect.poll(() => running(lab), LONG_WAIT).toEqual([]);
  });
});

describe('stop and start', () => {
  test('stop and start keep names, tokens, ports and keys of all local VMs, with a new boot id', async () => {
    await using lab = await open();
    const provider = lab.provider();
    await provider.start();
    const report = recordReport();
    await launch(provider, ['vm-d1', 'vm-d2'], report);
    await expect.poll(() => bootIds('vm-d1').size, LONG_WAIT).toBe(1);
    await provider.stop();
    expect(await running(lab)).toEqual([]);
    for (const hostname of ['vm-d1', 'vm-d2'])
      expect(await logOf(lab, hostname)).toMatch(/INFO shut down\n$/);
    expect(await provider.readiness()).toMatchObject({ ok: false });
    expect(await launch(provider, ['vm-d3'])).toMatchObject({ ok: false });
    await provider.start();
    expect(await running(lab)).toEqual(['vm-d1', 'vm-d2']);
    const listed = new Map((await provider.list()).map(({ hostname, ssh }) => [hostname, ssh]));
    for (const [hostname, facts] of report.facts) {
      const { provisioningSeconds } = facts;
      expect({ ...listed.get(hostname), provisioningSeconds }).toEqual(facts);
    }
    await expect.poll(() => bootIds('vm-d1').size, LONG_WAIT).toBe(2);
    expect(lab.moved).toEqual([]);
  });

  test('a local VM whose port is taken comes back with another port, which is reported', async () => {
    await using lab = await open();
    const provider = lab.provider();
    await provider.start();
    const report = recordReport();
    await launch(provider, ['vm-1'], report);
    await provider.stop();
    const squatter = createServer();
    await new Promise<void>((resolve) =>
      squatter.listen(report.facts.get('vm-1')!.sshPort, '127.0.0.1', resolve),
    );
    await provider.start();
    const access = (await provider.list())[0]!.ssh!;
    expect(access.sshPort).not.toBe(report.facts.get('vm-1')!.sshPort);
    expect(lab.moved).toEqual(['vm-1']);
    using ssh = await connect(access, { privateKey: lab.key.privateKey });
    expect((await ssh.run('ls Desktop')).code).toBe(0);
    await new Promise((resolve) => squatter.close(resolve));
  });

  test('local VMs find an allocator whose address has changed', async () => {
    await using lab = await open();
    await using elsewhere = await startStubAllocator();
    const first = lab.provider();
    await first.start();
    await launch(first, ['vm-e']);
    await first.stop();
    const second = lab.provider({ allocatorUrl: () => elsewhere.url });
    await second.start();
    await expect.poll(() => elsewhere.statusesOf('vm-e'), LONG_WAIT).toContain('running');
  });

  test('a second allocator on the same folder is refused but can list the local VMs', async () => {
    await using lab = await open();
    const first = lab.provider();
    await first.start();
    await launch(first, ['vm-1']);
    const second = lab.provider();
    await second.start();
    expect(await second.readiness()).toMatchObject({
      ok: false,
      failure: { message: expect.stringContaining('Another allocator') as string },
    });
    expect(await launch(second, ['vm-2'])).toMatchObject({ ok: false });
    expect(await destroy(second, 'all')).toMatchObject({ ok: false });
    expect((await second.list()).map(({ hostname }) => hostname)).toEqual(['vm-1']);
    await second.stop();
    expect(await running(lab)).toEqual(['vm-1']);
  });

  test('half-created and damaged folders do not prevent a launch or a destroy', async () => {
    await using lab = await open();
    await mkdir(join(lab.root, '.new-1234', 'Desktop'), { recursive: true });
    await mkdir(join(lab.root, '.old-1234', 'Desktop'), { recursive: true });
    await mkdir(join(lab.root, 'vm-damaged'));
    await writeFile(join(lab.root, 'vm-damaged', 'machine.json'), '{');
    const provider = lab.provider({ timeouts: { restartMs: [1] } });
    await provider.start();
    expect(await folders(lab)).toEqual(['vm-damaged']);
    await expect.poll(() => lab.lost, LONG_WAIT).toHaveLength(1);
    expect(lab.lost[0]).toMatch(/machine\.json is missing or damaged/);
    expect(await provider.list()).toEqual([{ hostname: 'vm-damaged', operationId: null }]);
    expect(await launch(provider, ['vm-1'])).toEqual({ ok: true });
    const report = recordReport();
    expect(await destroy(provider, ['vm-damaged', 'vm-1', 'vm-never-was'], report)).toEqual({ ok: true });
    expect(report.ended.sort()).toEqual(['vm-1', 'vm-damaged', 'vm-never-was']);
    expect([await running(lab), await folders(lab)]).toEqual([[], []]);
  });
});

function bootIds(hostname: string): Set<string> {
  const beats = stub.reports.filter(({ path }) => path === `/api/v1/vms/${hostname}/heartbeat`);
  return new Set(beats.map(({ body }) => (JSON.parse(body) as { boot_id: string }).boot_id));
}
