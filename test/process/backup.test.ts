// The whole program: backed up while 30 people a second get a machine, killed, and restored elsewhere by its commands.
import { chmod, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createLablinkClient } from '../../src/client/client.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { findPostmaster } from '../../src/db/embedded/postmaster.ts';
import { connectionString } from '../../src/db/embedded/session.ts';
import { postgresIn } from '../support/leftovers.ts';
import { startProgram } from '../support/program.ts';
import { requestVmByForm } from '../support/request-form.ts';

const MACHINES = 400;
const CLAIMS_PER_SECOND = 30;
const SECRETS = [
  'secret-key',
  'admin-password',
  'deployment-uid',
  'log-forwarder-token',
  'ssh/id_ed25519.sealed',
];
/** Configured where the backup is made, and in the data folder of the restored allocator. */
const CONFIGURED = { PULUMI_CONFIG_PASSPHRASE: 'a passphrase of the state' };
const EXIT_FAILED = 1;

test('what was backed up under load is all there after a kill and a restore elsewhere', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'lablink-moved-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  await chmod(folder, 0o711);
  const [oldDir, newDir] = [join(folder, 'old'), join(folder, 'new')];
  const file = join(folder, 'lab.tar.zst.age');
  const env = { PROVIDER: 'external', BACKUP_PASSPHRASE: 'five random words of mine', LOG_LEVEL: 'warn' };
  const command = async (args: readonly string[], dataDir: string, more: Record<string, string> = {}) => {
    const program = startProgram(args, { ...env, ...more, DATA_DIR: dataDir });
    return { code: await program.ended, output: program.output() };
  };

  await using old = startProgram(['serve'], { ...env, DATA_DIR: oldDir });
  const url = await old.url();
  await writeFile(join(oldDir, 'log-forwarder-token'), 'the token of the forwarder\n');
  await inDatabase(oldDir, async (client) => {
    await client.query(
      `insert into vms (hostname, provider, status) select 'vm-' || n, 'external', 'running' from generate_series(1, $1) n`,
      [MACHINES],
    );
    await client.query(
      `insert into vm_logs (hostname, line) select hostname, 'line ' || n from vms, generate_series(1, 50) n`,
    );
  });
  // Who was told of a machine before the backup began must have it afterwards.
  const told: string[] = [];
  const load = new AbortController();
  const loading = claimAtRate(url, told, load.signal);
  await expect.poll(() => told.length, { timeout: 20_000 }).toBeGreaterThan(CLAIMS_PER_SECOND);
  const before = [...told];
  expect(await command(['backup', file], oldDir, CONFIGURED)).toMatchObject({ code: 0 });
  const during = told.length - before.length;
  load.abort();
  await loading;
  const written = await inDatabase(oldDir, rowsOf);
  old.child.kill('SIGKILL');
  await old.ended;

  expect((await command(['restore', file], oldDir)).code).toBe(EXIT_FAILED);
  expect(await command(['restore', file], newDir)).toMatchObject({ code: 0 });
  for (const name of SECRETS)
    expect(await readFile(join(newDir, name), 'utf8')).toBe(await readFile(join(oldDir, name), 'utf8'));
  const passphrase = await readFile(join(newDir, 'pulumi-passphrase'), 'utf8');
  expect(passphrase.trim()).toBe(CONFIGURED.PULUMI_CONFIG_PASSPHRASE);
  await using restored = startProgram(['serve'], { ...env, DATA_DIR: newDir });
  const restoredUrl = await restored.url();
  const found = await inDatabase(newDir, rowsOf);
  expect(found.logs).toEqual(written.logs);
  expect(written.assignments).toEqual(expect.arrayContaining(found.assignments));
  expect(found.assignments.map(({ email }) => email)).toEqual(expect.arrayContaining(before));
  console.log(
    `${before.length} claims before the backup, ${during} while it was made, ${found.assignments.length} in it`,
  );

  const password = (await readFile(join(newDir, 'admin-password'), 'utf8')).trim();
  const admin = createLablinkClient({ baseUrl: restoredUrl, user: 'admin', password });
  expect(Object.keys((await admin.GET('/api/vm-status')).data ?? {})).toHaveLength(MACHINES);
  expect((await requestVmByForm(restoredUrl, 'new@example.org')).status).toBe(200);
  // The Postgres of the killed allocator.
  for (const { pid } of postgresIn(oldDir)) process.kill(pid, 'SIGQUIT');
  await expect.poll(() => postgresIn(oldDir), { timeout: 10_000 }).toEqual([]);
}, 180_000);

/** Each claim after the time of the one before, whatever became of that. */
async function claimAtRate(url: string, told: string[], signal: AbortSignal): Promise<void> {
  const asked: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let number = 1; !signal.aborted && number < MACHINES; number++) {
    const email = `person-${number}@example.org`;
    asked.push(
      requestVmByForm(url, email).then((answer) => {
        if (answer.status === 200) told.push(email);
      }),
    );
    const dueMs = startedMs + (number * 1_000) / CLAIMS_PER_SECOND - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs)));
  }
  await Promise.all(asked);
}

type Rows = {
  readonly assignments: { id: string; hostname: string; email: string; pin: string }[];
  readonly logs: unknown;
};

async function rowsOf(client: Client): Promise<Rows> {
  const assignments = await client.query<Rows['assignments'][number]>(
    'select id, hostname, email, pin from assignments order by id',
  );
  const logs = await client.query(
    `select count(*)::int, md5(string_agg(hostname || id || line, ',' order by hostname, id)) from vm_logs`,
  );
  return { assignments: assignments.rows, logs: logs.rows };
}

async function inDatabase<T>(dataDir: string, use: (client: Client) => Promise<T>): Promise<T> {
  const paths = pathsIn(dataDir);
  const port = (await findPostmaster(paths.cluster))?.port ?? 0;
  const password = (await readFile(paths.password, 'utf8')).trim();
  const client = new Client({ connectionString: connectionString({ port, password }) });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
