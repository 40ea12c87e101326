// The boot with `machine.agent: lablink`: the allocator's own agent is fetched, checked and started on the machine, and
// reaches into the container. Its real executable, against a running allocator.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { requirePart } from '../support/required.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { fleetSpec } from './fixture.ts';
import { createBareMachine, type BootedMachine } from './machine.ts';

const BUILD_MS = 120_000;
const BOOT_MS = 90_000;
const START_HOST = 'opt/google/chrome-remote-desktop/start-host';
const canRun = requirePart(
  "The agent's executable",
  process.platform === 'linux' && process.arch === 'x64',
  'It is built on Linux x64 only.',
);

/** Notes its arguments and its input, and is content. */
const STAND_IN = `#!/bin/bash
here=\${0%/*}
printf 'argument %s\\n' "$@" > "$here/given.part"
sed 's/^/input /' >> "$here/given.part"
printf 'display [%s]\\n' "$DISPLAY" >> "$here/given.part"
mv "$here/given.part" "$here/given"
`;

const eventually = <T>(condition: () => Promise<T> | T): Promise<T> =>
  vi.waitFor(condition, { timeout: 45_000, interval: 50 });

describe.skipIf(!canRun)('the LabLink agent on a machine', () => {
  let server: TestServer;

  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [
      fileURLToPath(new URL('../../codegen/agent-bundle.ts', import.meta.url)),
    ]);
    server = await startTestServer({ VM_AUTH: 'required' });
  }, BUILD_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  const spec = (url: string, parts: Parameters<typeof fleetSpec>[0] = {}) => ({
    agent: 'lablink' as const,
    allocator: { url, sshCidrs: [] },
    container: { image: 'plain', repository: 'https://example.org/tutorial.git', software: 'a "b" \\c' },
    ...parts,
  });

  async function launched(hostname: string) {
    const { data } = await server.admin.POST('/api/v1/vms', { body: { hostname } });
    return { hostname, token: data?.token ?? '', nvidia: false };
  }

  async function putStartHost({ rootfs }: BootedMachine): Promise<void> {
    await mkdir(join(rootfs, START_HOST, '..'), { recursive: true });
    await writeFile(join(rootfs, START_HOST), STAND_IN);
    await chmod(join(rootfs, START_HOST), 0o755);
  }

  const vm = async (hostname: string) =>
    (await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } })).data;

  test(
    'the agent is downloaded, connects a participant in the container, and empties their folder there',
    async () => {
      const machineSpec = await launched('lablink-vm-agent-1');
      const { hostname, token } = machineSpec;
      await using machine = await createBareMachine();
      await putStartHost(machine);
      const boot = await machine.boot(spec(server.url), machineSpec);
      expect(boot.output).toMatch(/lablink-agent-linux-x64: OK\n/);
      expect(boot.code).toBe(0);
      const settings = join(machine.root, 'etc/lablink-agent.env');
      expect((await stat(settings)).mode & 0o777).toBe(0o600);
      expect(await readFile(settings, 'utf8')).toContain('SUBJECT_SOFTWARE="a \\"b\\" \\\\c"\n');
      expect(await machine.read('stand-in/environment')).not.toContain('API_TOKEN');
      expect(boot.output).not.toContain(token);
      const desktop = join(machine.rootfs, 'home/client/Desktop');
      expect(await readdir(desktop)).toEqual(['tutorial']);
      await eventually(async () =>
        expect(await vm(hostname)).toMatchObject({ status: 'running', waiting: true }),
      );

      const { data: assigned } = await server.client.POST('/api/request_vm', {
        body: { email: 'agent@example.org', crd_command: 'start-host --code="4/0Aagent"' },
        ...asForm,
        headers: { ...asForm.headers, Accept: 'application/json' },
      });
      if (typeof assigned !== 'object') throw new Error('no machine was given');
      await eventually(async () => expect((await vm(hostname))?.assignment?.state).toBe('connected'));
      expect((await readFile(join(machine.rootfs, START_HOST, '../given'), 'utf8')).split('\n')).toEqual([
        'argument --code=4/0Aagent',
        'argument --redirect-url=https://remotedesktop.google.com/_/oauthredirect',
        `argument --name=${hostname}`,
        `input ${assigned.pin}`,
        `input ${assigned.pin}`,
        'display []',
        '',
      ]);

      await writeFile(join(desktop, 'work.txt'), 'mine');
      const id = (await vm(hostname))?.assignment?.id ?? '';
      await server.admin.POST('/api/v1/assignments/{id}/release', { params: { path: { id } } });
      await eventually(async () =>
        expect(await vm(hostname)).toMatchObject({ status: 'running', assignment: null }),
      );
      expect(await readdir(desktop)).toEqual([]);
      const calls = await machine.calls();
      expect(
        calls.some((call) =>
          call.startsWith('docker exec --interactive --user client --env DISPLAY= lablink /opt/'),
        ),
      ).toBe(true);
      const { data: logs } = await server.admin.GET('/api/vm-logs/{hostname}', {
        params: { path: { hostname } },
      });
      expect(logs?.logs).toContain(`lablink-agent for ${hostname}`);
      expect(logs?.logs).not.toContain(assigned.pin);
    },
    BOOT_MS,
  );

  test(
    'the start-up script runs in the container before the agent, and a failed script prevents the agent',
    async () => {
      const [good, bad] = [await launched('lablink-vm-agent-2'), await launched('lablink-vm-agent-3')];
      await using machine = await createBareMachine();
      await using broken = await createBareMachine();
      const script = (content: string) => ({ startupScript: { content, onError: 'fail' as const } });
      const boot = await machine.boot(spec(server.url, script('echo "in the container"')), good);
      expect(boot.code).toBe(0);
      expect(boot.output).toContain('in the container\n');
      const calls = await machine.calls();
      const at = (beginning: string) => calls.findIndex((call) => call.startsWith(beginning));
      expect(at('docker exec lablink bash /docker_scripts/custom-startup.sh')).toBeGreaterThan(
        at('git clone'),
      );
      expect(at('systemctl enable --now lablink-agent.service')).toBeGreaterThan(
        at('docker exec lablink bash'),
      );
      // Without start-host in its container, the machine cannot be used, and the agent reports an error.
      await eventually(async () => expect((await vm(good.hostname))?.status).toBe('error'));

      expect((await broken.boot(spec(server.url, script('exit 3')), bad)).code).toBe(1);
      expect((await vm(bad.hostname))?.status).toBe('error');
      expect((await broken.calls()).some((call) => call.includes('lablink-agent'))).toBe(false);
    },
    BOOT_MS,
  );

  test(
    'an agent with a wrong checksum is not started',
    async () => {
      const told: string[] = [];
      const allocator = createServer((request, response) => {
        request.on('data', (chunk: Buffer) => void told.push(chunk.toString()));
        request.on('end', () => {
          if (request.url?.endsWith('.gz')) response.end(gzipSync('#!/bin/sh\ntouch /tmp/evil\n'));
          else response.end(`${'0'.repeat(64)}  lablink-agent-linux-x64\n`);
        });
      });
      allocator.listen(0, '127.0.0.1');
      await once(allocator, 'listening');
      const { port } = allocator.address() as AddressInfo;
      await using machine = await createBareMachine();
      const boot = await machine.boot(spec(`http://127.0.0.1:${port}`), { nvidia: false });
      allocator.close();
      expect(boot.code).toBe(1);
      expect(boot.output).toContain('lablink-agent-linux-x64: FAILED');
      expect(told.some((body) => body.includes('"status":"error"'))).toBe(true);
      expect(told.some((body) => body.includes('the agent could not be downloaded from'))).toBe(true);
      expect((await machine.calls()).some((call) => call.includes('lablink-agent'))).toBe(false);
    },
    BOOT_MS,
  );
});
