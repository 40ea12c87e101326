// Everybody's work over HTTP: what is answered before the first byte, the zip, and what is remembered of it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { openArchive } from '../collect/lab.ts';
import { textOf } from '../support/page-models.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';
import { startSshMachine, type SshMachine } from '../support/ssh-machine.ts';

const LONG_TEST_MS = 60_000;
const WAIT = { timeout: 20_000 };
const authorization = `Basic ${Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString('base64')}`;
const get = ({ url }: TestServer, path: string, method = 'GET'): Promise<Response> =>
  fetch(url + path, { method, headers: { authorization } });
const problemSchema = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
});
const problemOf = async (response: Response) => problemSchema.parse(await response.json());
const zipOf = async (response: Response) => openArchive(Buffer.from(await response.arrayBuffer()));

async function reached({ db }: TestServer, hostname: string, machine: SshMachine): Promise<void> {
  await db
    .updateTable('vms')
    .set({ address: '127.0.0.1', ssh_user: machine.user, ssh_port: machine.port, provider: 'local' })
    .where('hostname', '=', hostname)
    .execute();
}

test(
  'the zip has its name, and everything in it; what was downloaded is remembered, and its host key kept',
  async () => {
    await using server = await startTestServer({ DOWNLOAD_EXTENSIONS: 'txt' });
    await using machine = await startSshMachine(server.dataDir, { 'a.txt': 'work', 'b.csv': '1' });
    await insertFreeVms(server.db, ['vm-1', 'vm-2']);
    await reached(server, 'vm-1', machine);
    const response = await get(server, '/api/scp-client');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/zip');
    expect(response.headers.get('content-disposition')).toMatch(
      /^attachment; filename="lablink_data_\d{8}_\d{6}\.zip"$/,
    );
    const { names, missing } = await zipOf(response);
    expect(names).toEqual(['vm-1/a.txt', 'manifest.json', 'manifest.csv', 'MISSING.txt']);
    expect(missing).toContain('The SSH address of this machine is not known');
    await vi.waitFor(async () => {
      const rows = await server.db.selectFrom('vm_downloads').selectAll().execute();
      expect(rows).toMatchObject([
        { hostname: 'vm-1', files: 1, bytes: 4, complete: true, left_files: 1, requested_by: 'admin' },
      ]);
    }, WAIT);
    const key = await server.db
      .selectFrom('vms')
      .select('ssh_host_key')
      .where('hostname', '=', 'vm-1')
      .execute();
    expect(key).toEqual([{ ssh_host_key: machine.hostKey }]);
    const listed = await server.admin.GET('/api/v1/downloads');
    expect(listed.data?.items).toMatchObject([
      {
        state: 'done',
        hostname: null,
        vms: 2,
        vms_done: 2,
        vms_failed: 1,
        files: 1,
        bytes: 4,
        message: null,
      },
    ]);
  },
  LONG_TEST_MS,
);

test(
  'one machine alone; HEAD tells the same and sends nothing',
  async () => {
    await using server = await startTestServer();
    await using one = await startSshMachine(server.dataDir, { 'a.txt': 'one' });
    await using two = await startSshMachine(server.dataDir, { 'a.txt': 'two' });
    await insertFreeVms(server.db, ['vm-1', 'vm-2']);
    await reached(server, 'vm-1', one);
    await reached(server, 'vm-2', two);
    const { names } = await zipOf(await get(server, '/api/v1/vms/vm-2/data'));
    expect(names).toEqual(['vm-2/a.txt', 'manifest.json', 'manifest.csv']);
    const head = await get(server, '/api/v1/vms/vm-2/data', 'HEAD');
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'application/zip',
      '',
    ]);
    // Only complete downloads are recorded.
    const { data } = await server.admin.GET('/api/v1/downloads');
    expect(data?.items.map(({ state }) => state)).toEqual(['done']);
  },
  LONG_TEST_MS,
);

test(
  'no machines, no files and no reachable machine are different problems before the first byte',
  async () => {
    await using server = await startTestServer({ DOWNLOAD_EXTENSIONS: 'slp' });
    expect(await problemOf(await get(server, '/api/scp-client'))).toMatchObject({ code: 'no_vms' });
    await insertFreeVms(server.db, ['vm-1', 'vm-2']);
    const nobody = await get(server, '/api/scp-client');
    expect(nobody.status).toBe(500);
    const { code, detail, errors } = await problemOf(nobody);
    expect(code).toBe('download_failed');
    expect(errors?.map(({ field }) => field)).toEqual(['vm-1', 'vm-2']);
    expect(detail).toContain('vm-2: The SSH address of this machine is not known');
    await using machine = await startSshMachine(server.dataDir, { 'b.csv': '1' });
    await reached(server, 'vm-1', machine);
    const none = await get(server, '/api/scp-client');
    expect([none.status, await problemOf(none)]).toMatchObject([
      404,
      { code: 'no_files', detail: expect.stringContaining('1 other file is left out') as string },
    ]);
    const unknown = await get(server, '/api/v1/vms/nobody/data');
    expect([unknown.status, await problemOf(unknown)]).toMatchObject([404, { code: 'vm_not_found' }]);
    await server.db.updateTable('vms').set({ status: 'initializing' }).execute();
    const early = await get(server, '/api/v1/vms/vm-1/data');
    expect([early.status, await problemOf(early)]).toMatchObject([404, { code: 'no_files' }]);
    expect((await server.admin.GET('/api/v1/downloads')).data?.items.map(({ state }) => state)).toEqual([
      'failed',
      'failed',
    ]);
  },
  LONG_TEST_MS,
);

test(
  'the page that destroys asks the machines: never downloaded, downloaded, changed since, out of reach',
  async () => {
    const provider = createScriptedProvider();
    await using server = await startTestServer({}, { provider });
    await using machine = await startSshMachine(server.dataDir, { 'a.txt': 'work', 'b.txt': 'more' });
    await insertFreeVms(server.db, ['vm-1', 'vm-2']);
    await server.db.updateTable('vms').set({ provider: provider.name }).execute();
    await reached(server, 'vm-1', machine);
    await server.db.updateTable('vms').set({ provider: provider.name }).execute();
    await giveVm(server.db, 'ada@example.org');
    await giveVm(server.db, 'bob@example.org');
    const page = async (): Promise<string> =>
      textOf(await (await get(server, '/admin/instances/delete?survey=true')).text());
    expect(await page()).toContain('ada@example.org vm-1 2 files, 8 bytes. Never downloaded.');
    await zipOf(await get(server, '/api/v1/vms/vm-1/data'));
    await vi.waitFor(
      async () => expect(await page()).toContain('ada@example.org vm-1 Downloaded and unchanged since.'),
      WAIT,
    );
    await writeFile(join(machine.desktop, 'a.txt'), 'work that goes on');
    const changed = await page();
    expect(changed).toContain('Work that would be lost');
    expect(changed).toContain('ada@example.org vm-1 2 files, 21 bytes. Changed since the last download.');
    expect(changed).toContain('bob@example.org vm-2 The files on this machine are unknown. The SSH address');
    const overview = (await (await get(server, '/admin')).text()).replaceAll(/<[^>]*>/g, ' ');
    expect(overview).toMatch(/vm-1\s+ada@example\.org\s+2 files, 8 bytes, /);
  },
  LONG_TEST_MS,
);
