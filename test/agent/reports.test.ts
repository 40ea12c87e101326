import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';
import { giveVm } from '../support/rows.ts';
import { createMachine, eventually, quick, stopped, type Machine } from './fixture.ts';

let server: TestServer;
let machines = 0;

beforeAll(async () => {
  server = await startTestServer({ VM_AUTH: 'required' });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A machine that is registered, as an integrator's is. */
async function register(): Promise<{ hostname: string; token: string }> {
  const hostname = `lablink-vm-reports-${++machines}`;
  const { data } = await server.admin.POST('/api/v1/vms', { body: { hostname } });
  if (!data) throw new Error('the machine was not registered');
  return { hostname, token: data.token };
}

async function vm(hostname: string) {
  const { data } = await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } });
  return data;
}

async function putNvidiaSmi(machine: Machine, exitCode: number): Promise<string> {
  const bin = join(machine.home, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'nvidia-smi'), `#!/bin/sh\nexit ${exitCode}\n`);
  await chmod(join(bin, 'nvidia-smi'), 0o755);
  return bin;
}

describe('an agent reports', () => {
  test('an agent reports initializing once a boot, then running, and error while start-host cannot be run', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    await chmod(machine.startHost, 0o644);
    const agent = machine.start(server.url, { token, bootId: 'boot-1' });
    await eventually(async () => expect((await vm(hostname))?.status).toBe('error'));
    const statuses = () => agent.logged.filter((line) => /^info reported [a-z]+$/.test(line));
    await eventually(() => expect(statuses()).toEqual(['info reported initializing', 'info reported error']));
    await chmod(machine.startHost, 0o755);
    await eventually(async () => expect((await vm(hostname))?.status).toBe('running'));
    await agent.stop();
    const again = machine.start(server.url, { token, bootId: 'boot-1' });
    await eventually(() => expect(again.logged).toContain('info reported running'));
    expect(again.logged).not.toContain('info reported initializing');
  });

  test('a report that was held up on its way, and was sent again meanwhile, changes nothing when it arrives', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    const held: Request[] = [];
    const holdFirstStatus = async (request: Request): Promise<Response> => {
      if (held.length > 0 || !request.url.endsWith('/api/vm-status')) return fetch(request);
      held.push(
        new Request(request.url, { method: 'POST', headers: request.headers, body: await request.text() }),
      );
      throw new TypeError('fetch failed');
    };
    machine.start(server.url, { token, dependencies: { fetch: holdFirstStatus } });
    await eventually(async () => expect((await vm(hostname))?.status).toBe('running'));
    const [late] = held;
    expect(await late?.clone().json()).toMatchObject({ hostname, status: 'initializing' });
    expect((await fetch(late!)).status).toBe(200);
    expect((await vm(hostname))?.status).toBe('running');
  });

  test('an agent reports its status again after a report of an earlier boot that came late', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    const agent = machine.start(server.url, { token, bootId: 'boot-2' });
    await eventually(() => expect(agent.logged).toContain('info reported running'));
    const late = { hostname, status: 'error', boot_id: 'boot-1', uptime_ms: 9_000_000 };
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const url = `${server.url}/api/vm-status`;
    expect((await fetch(url, { method: 'POST', headers, body: JSON.stringify(late) })).status).toBe(200);
    const running = () => agent.logged.filter((line) => line === 'info reported running');
    await eventually(() => expect(running()).toHaveLength(2));
    expect((await vm(hostname))?.status).toBe('running');
    // Another one, and then a late one of the present boot: of the two, the second counts.
    const replaced = { status: 'initializing', reported_boot_id: 'boot-2', reported_uptime_ms: 1 };
    await server.db.updateTable('vms').set(replaced).where('hostname', '=', hostname).execute();
    await eventually(async () => expect((await vm(hostname))?.status).toBe('running'));
  });

  test('an agent reports the health of the GPU when it changes', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    const bin = await putNvidiaSmi(machine, 0);
    machine.start(server.url, { token, childEnvironment: { PATH: `${bin}:${process.env['PATH'] ?? ''}` } });
    const health = async () => (await vm(hostname))?.gpu_health;
    await eventually(async () => expect(await health()).toBe('Healthy'));
    await putNvidiaSmi(machine, 9);
    await eventually(async () => expect(await health()).toBe('Unhealthy'));
    await rm(join(bin, 'nvidia-smi'));
    await eventually(async () => expect(await health()).toBe('N/A'));
  });

  test('an agent reports whether the software runs when that changes', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    let commandLine = ['bash'];
    machine.start(server.url, {
      token,
      software: 'sleap',
      dependencies: { listProcesses: () => Promise.resolve([{ pid: 1, commandLine }]) },
    });
    const inUse = async () => (await vm(hostname))?.in_use;
    await eventually(async () => expect(await inUse()).toBe(false));
    commandLine = ['python', '/opt/sleap-label'];
    await eventually(async () => expect(await inUse()).toBe(true));
    commandLine = ['bash'];
    await eventually(async () => expect(await inUse()).toBe(false));
  });

  test('an agent sends heartbeats with boot and free disk, and the start-up timings when they are known', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    let timings: { container_start: number; container_end: number } | null = null;
    machine.start(server.url, { token, bootId: 'boot-7', timings: () => Promise.resolve(timings) });
    await eventually(async () => expect(await vm(hostname)).toMatchObject({ boot_id: 'boot-7' }));
    expect((await vm(hostname))?.free_disk_bytes).toBeGreaterThan(0);
    timings = { container_start: 1_700_000_000, container_end: 1_700_000_012 };
    await eventually(async () => expect((await vm(hostname))?.timings.container_seconds).toBe(12));
  });
});

describe('a recycled machine', () => {
  const release = (id: string) =>
    server.admin.POST('/api/v1/assignments/{id}/release', { params: { path: { id } } });

  test('a released machine is emptied before it is free, and files of the next participant are not touched', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    let agent = machine.start(server.url, { token });
    await eventually(async () =>
      expect(await vm(hostname)).toMatchObject({ status: 'running', waiting: true }),
    );
    await server.db.deleteFrom('vms').where('hostname', '<>', hostname).execute();
    const first = await giveVm(server.db, 'ada@x.org');
    await mkdir(join(machine.folder, 'project'));
    await writeFile(join(machine.folder, 'project/work.slp'), 'hers');
    await symlink(machine.startHost, join(machine.folder, 'link'));
    expect((await release(first.id)).data).toMatchObject({ state: 'released' });
    await eventually(async () =>
      expect(await vm(hostname)).toMatchObject({ status: 'running', assignment: null }),
    );
    expect(await readdir(machine.folder)).toEqual([]);
    expect(await readdir(machine.home)).toContain('crd');

    const second = await giveVm(server.db, 'bob@x.org');
    expect(second.hostname).toBe(hostname);
    await writeFile(join(machine.folder, 'his'), 'his');
    await agent.stop();
    // After a restore of the database, for example, the allocator may ask for the first participant's files again.
    agent = machine.start(server.url, { token });
    await server.db
      .updateTable('vms')
      .set({ assignment_id: first.id })
      .where('hostname', '=', hostname)
      .execute();
    await eventually(() => expect(agent.logged).toContain('info reported that the machine was reset'));
    expect(await readdir(machine.folder)).toEqual(['his']);
  });

  test('a machine that cannot be emptied reports error and tries again', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    machine.start(server.url, { token });
    await eventually(async () =>
      expect(await vm(hostname)).toMatchObject({ status: 'running', waiting: true }),
    );
    await server.db.deleteFrom('vms').where('hostname', '<>', hostname).execute();
    const { id } = await giveVm(server.db, 'eve@x.org');
    await rm(machine.folder, { recursive: true });
    await symlink(machine.home, machine.folder);
    await release(id);
    await eventually(async () => expect((await vm(hostname))?.status).toBe('error'));
    expect(await readdir(machine.home)).toContain('crd');
    await rm(machine.folder);
    await mkdir(machine.folder);
    await eventually(async () =>
      expect(await vm(hostname)).toMatchObject({ status: 'running', assignment: null }),
    );
  });
});

describe('an agent', () => {
  test('an agent whose token is refused logs it once, and goes on when the token is accepted', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    let given = `wrong-${token}`;
    const agent = machine.start(server.url, {
      dependencies: {
        fetch: (request) => {
          request.headers.set('Authorization', `Bearer ${given}`);
          return fetch(request);
        },
      },
    });
    await eventually(() => expect(agent.logged.join('\n')).toContain('refuses'));
    given = token;
    await eventually(async () => expect((await vm(hostname))?.waiting).toBe(true));
    const complaints = agent.logged.filter((line) => line.includes('refuses'));
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toMatch(/refuses this machine's token \(401\).*Check API_TOKEN and VM_NAME\.$/);
  });

  test.each(['<html>Please sign in</html>', 'null', '{"status": "success"}'])(
    'an agent that reaches something other than an allocator logs it, runs nothing, and goes on: %s',
    async (body) => {
      const { hostname, token } = await register();
      await using machine = await createMachine(hostname);
      let isPortal = true;
      const fetchThroughPortal = (request: Request) =>
        isPortal ? Promise.resolve(new Response(body, { status: 200 })) : fetch(request);
      const agent = machine.start(server.url, { token, dependencies: { fetch: fetchThroughPortal } });
      await eventually(() => expect(agent.logged.join('\n')).toContain('is not a LabLink allocator'));
      isPortal = false;
      await eventually(async () => expect((await vm(hostname))?.waiting).toBe(true));
      expect(await machine.runs()).toEqual([]);
    },
  );

  test('an agent whose poll has outlived several garbage collections still stops at once', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    const agent = machine.start(server.url, { token, intervals: { ...quick, heartbeatMs: 60_000 } });
    await eventually(async () => expect((await vm(hostname))?.waiting).toBe(true));
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as (how: object) => Promise<void>;
    for (let round = 0; round < 5; round++) {
      await collect({ execution: 'async', type: 'major' });
      await vm(hostname);
    }
    expect(await agent.stop()).toEqual(stopped);
  });

  test('an agent renames a damaged state file and goes on without it', async () => {
    const { hostname, token } = await register();
    await using machine = await createMachine(hostname);
    const state = join(machine.home, 'state');
    await mkdir(state);
    await writeFile(join(state, 'state.json'), '{"commands": 5');
    await writeFile(join(state, 'logs.json'), '[]');
    const agent = machine.start(server.url, { token });
    await eventually(async () => expect((await vm(hostname))?.status).toBe('running'));
    expect(agent.logged.filter((line) => line.includes('is damaged'))).toHaveLength(2);
    expect((await readdir(state)).filter((name) => name.endsWith('.unreadable'))).toHaveLength(2);
  });

  test('an agent that cannot use its own folder ends with a sentence that names the variable', async () => {
    await using machine = await createMachine();
    const stateFolder = join(machine.startHost, 'state');
    const agent = machine.start(server.url, { stateFolder });
    const exit = await agent.exit;
    expect(exit).toMatchObject({
      ok: false,
      failure: expect.stringContaining('LABLINK_AGENT_STATE') as string,
    });
  });
});

test('the heartbeat of a machine in use is answered with no action, and a release needs an admin and an assignment', async () => {
  const { hostname, token } = await register();
  const client = server.withToken(token);
  const params = { path: { hostname } };
  const beat = () => client.POST('/api/v1/vms/{hostname}/heartbeat', { params, body: { boot_id: 'b' } });
  expect((await beat()).data).toEqual({
    message: 'Heartbeat recorded.',
    action: 'none',
    assignment_id: null,
    last_status: null,
  });
  const recycled = await client.POST('/api/v1/vms/{hostname}/recycled', { params, body: {} });
  expect(recycled.response.status).toBe(200);
  const nothing = { params: { path: { id: crypto.randomUUID() } } };
  const unknown = await server.admin.POST('/api/v1/assignments/{id}/release', nothing);
  expect(unknown.response.status).toBe(404);
  expect(unknown.error).toMatchObject({ code: 'assignment_not_found' });
  const orphan = await server.client.POST('/api/v1/assignments/{id}/release', nothing);
  expect(orphan.response.status).toBe(401);
  const vmItself = await client.POST('/api/v1/assignments/{id}/release', nothing);
  expect(vmItself.response.status).toBe(401);
});
