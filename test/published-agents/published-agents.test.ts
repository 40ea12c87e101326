// The VM programs of the published LabLink releases, unmodified, against a running server.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, chmod, constants, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { requirePart } from '../support/required.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const VERSIONS = ['0.0.4', '0.1.0', '0.1.2'] as const;
/** The programs use this path; it cannot be configured. */
const START_HOST = '/opt/google/chrome-remote-desktop/start-host';
const MARK = 'stand-in of the LabLink tests';
/** The programs check their processes every 20 to 25 seconds. */
const ONE_ROUND_MS = 60_000;

const bin = (version: string): string =>
  fileURLToPath(new URL(`../../.cache/python/published-agent-${version}/bin/`, import.meta.url));
const programs = requirePart(
  'The published LabLink VM programs',
  VERSIONS.every((version) => existsSync(bin(version))),
  'Run `make python`.',
);
const place = requirePart(
  `A place for a stand-in at ${START_HOST}`,
  await mayPlaceStandIn(),
  'Run as a user who may write there (CI runs as root), on a machine without Chrome Remote Desktop.',
);

async function mayPlaceStandIn(): Promise<boolean> {
  try {
    if (existsSync(START_HOST)) return (await readFile(START_HOST, 'utf8')).includes(MARK);
    await mkdir(dirname(START_HOST), { recursive: true });
    await access(dirname(START_HOST), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Records its arguments and input in a file named after the VM, and succeeds. */
const STAND_IN = `#!/bin/sh
# ${MARK}
for given in "$@"; do case "$given" in --name=*) name="\${given#--name=}";; esac; done
{ for given in "$@"; do printf 'argument %s\\n' "$given"; done; printf 'display [%s]\\n' "$DISPLAY"; sed 's/^/input /'; } > "$STAND_IN_NOTES/$name.part"
mv "$STAND_IN_NOTES/$name.part" "$STAND_IN_NOTES/$name"
`;

type Given = { readonly args: string[]; readonly input: string[]; readonly display: string | undefined };

describe.skipIf(!programs || !place)('the published LabLink VM programs', () => {
  let server: TestServer;
  let folder: string;
  const running: ChildProcess[] = [];
  let madeStandIn = false;

  beforeAll(async () => {
    server = await startTestServer();
    folder = await mkdtemp(join(tmpdir(), 'lablink-published-'));
    madeStandIn = !existsSync(START_HOST);
    await writeFile(START_HOST, STAND_IN);
    await chmod(START_HOST, 0o755);
    // update_inuse_status looks for a process with this name.
    for (const version of VERSIONS)
      await symlink('/bin/sleep', join(folder, softwareOf(hostOf(version, 'update_inuse_status'))));
  });
  afterAll(async () => {
    await Promise.all(running.map(ended));
    if (madeStandIn) await rm(START_HOST);
    await rm(folder, { recursive: true });
    await server[Symbol.asyncDispose]();
  });

  /**
   * The programs search the command lines of all processes for this name, and skip those that contain
   * `update_inuse_status`.
   */
  const softwareOf = (hostname: string): string => `subject-of-${hostname.replaceAll('_', '-')}`;
  const hostOf = (version: string, program: string): string =>
    `lablink-vm-${program}-${version.replaceAll('.', '')}`;

  /** Starts a program as its image does, in a folder of its own, because hydra writes there. */
  function start(version: string, program: string, env: Record<string, string> = {}): ChildProcess {
    const { hostname, port, origin } = new URL(server.url);
    const vmName = env['VM_NAME'] ?? hostOf(version, program);
    const child = spawn(
      join(bin(version), program),
      [`allocator.host=${hostname}`, `allocator.port=${port}`, `client.software=${softwareOf(vmName)}`],
      {
        cwd: folder,
        stdio: 'ignore',
        env: {
          PATH: process.env['PATH'],
          STAND_IN_NOTES: folder,
          // 0.0.4 knows no ALLOCATOR_URL; the others prefer it.
          ALLOCATOR_URL: origin,
          ...env,
          VM_NAME: vmName,
        },
      },
    );
    running.push(child);
    return child;
  }

  async function reportRunning(hostname: string, token?: string): Promise<void> {
    const { response } = await server.client.POST('/api/vm-status', {
      body: { hostname, status: 'running' },
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(200);
  }

  const vm = async (hostname: string) =>
    (await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } })).data;

  async function given(hostname: string): Promise<Given> {
    const file = join(folder, hostname);
    await expect.poll(() => existsSync(file), { timeout: 20_000 }).toBe(true);
    const lines = (await readFile(file, 'utf8')).split('\n');
    const of = (what: string): string[] =>
      lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));
    return { args: of('argument'), input: of('input'), display: of('display')[0] };
  }

  async function ask(email: string, code: string) {
    const { data } = await server.client.POST('/api/request_vm', {
      body: {
        email,
        crd_command: `DISPLAY= ${START_HOST} --code="${code}" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)`,
      },
      ...asForm,
      headers: { ...asForm.headers, Accept: 'application/json' },
    });
    if (typeof data !== 'object') throw new Error('no machine was given');
    return data;
  }

  /** Programs report only changes: one that started after its subject first reports the end of the subject. */
  async function reportsUse(hostname: string): Promise<void> {
    const reported = async () => (await vm(hostname))?.in_use;
    for (let round = 0; round < 2; round++) {
      const subject = spawn(join(folder, softwareOf(hostname)), ['300'], { stdio: 'ignore' });
      running.push(subject);
      const isTrue = expect.poll(reported, { timeout: ONE_ROUND_MS / 2 }).toBe(true);
      if (round > 0) return isTrue;
      const seen = await isTrue.then(
        () => true,
        () => false,
      );
      if (seen) return;
      await ended(subject);
      await expect.poll(reported, { timeout: ONE_ROUND_MS / 2 }).toBe(false);
    }
  }

  test.each(VERSIONS)(
    'subscribe %s passes the code and the PIN to start-host and exits',
    async (version) => {
      const hostname = hostOf(version, 'subscribe');
      await reportRunning(hostname);
      const subscribe = start(version, 'subscribe');
      await expect.poll(async () => (await vm(hostname))?.waiting, { timeout: 20_000 }).toBe(true);
      const assigned = await ask(`${version}@example.org`, `4/0A${version.replaceAll('.', '_')}`);
      expect(assigned.hostname).toBe(hostname);
      const { args, input, display } = await given(hostname);
      expect(args).toEqual([
        `--code=4/0A${version.replaceAll('.', '_')}`,
        '--redirect-url=https://remotedesktop.google.com/_/oauthredirect',
        `--name=${hostname}`,
      ]);
      expect(input).toEqual([assigned.pin, assigned.pin]);
      expect(display).toBe('[]');
      await expect.poll(() => subscribe.exitCode, { timeout: 20_000 }).toBe(0);
      expect((await vm(hostname))?.assignment?.state).toBe('sent_unconfirmed');
    },
    ONE_ROUND_MS,
  );

  test.each(VERSIONS)(
    'subscribe %s that starts after the request receives the command at once',
    async (version) => {
      const hostname = `late-${hostOf(version, 'subscribe')}`;
      await reportRunning(hostname);
      const assigned = await ask(`late-${version}@example.org`, '4/0Alate');
      expect(assigned.hostname).toBe(hostname);
      start(version, 'subscribe', { VM_NAME: hostname });
      expect((await given(hostname)).input).toEqual([assigned.pin, assigned.pin]);
    },
    ONE_ROUND_MS,
  );

  test(
    'subscribe 0.1.2 with a VM token receives its assignment',
    async () => {
      const hostname = 'lablink-vm-token-012';
      const { data } = await server.admin.POST('/api/v1/vms', { body: { hostname } });
      await reportRunning(hostname, data?.token);
      start('0.1.2', 'subscribe', { VM_NAME: hostname, API_TOKEN: data?.token ?? '' });
      await expect.poll(async () => (await vm(hostname))?.waiting, { timeout: 20_000 }).toBe(true);
      const assigned = await ask('token@example.org', '4/0Atoken');
      expect((await given(hostname)).input).toEqual([assigned.pin, assigned.pin]);
    },
    ONE_ROUND_MS,
  );

  test(
    'the reports of check_gpu and update_inuse_status of all versions are stored',
    async () => {
      for (const version of VERSIONS) {
        await reportRunning(hostOf(version, 'check_gpu'));
        await reportRunning(hostOf(version, 'update_inuse_status'));
        start(version, 'check_gpu');
        start(version, 'update_inuse_status');
      }
      for (const version of VERSIONS) {
        const gpu = async () => (await vm(hostOf(version, 'check_gpu')))?.gpu_health;
        await expect.poll(gpu, { timeout: ONE_ROUND_MS }).toBe('N/A');
      }
      await Promise.all(VERSIONS.map((version) => reportsUse(hostOf(version, 'update_inuse_status'))));
    },
    4 * ONE_ROUND_MS,
  );
});

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}
