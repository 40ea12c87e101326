// The whole program with machines on AWS: backed up while 30 people a second get a machine and agents send their logs, killed, and
// restored elsewhere by its commands. Machines exist apart from both data folders.
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { findPostmaster } from '../../src/db/embedded/postmaster.ts';
import { connectionString } from '../../src/db/embedded/session.ts';
import { configText, serverEnv } from '../support/aws-config.ts';
import { AWS_WAIT } from '../support/aws-lab.ts';
import { sendLogs } from '../support/agent-logs.ts';
import { startCloud } from '../support/cloud.ts';
import { testEngine } from '../support/engine.ts';
import { postgresIn } from '../support/leftovers.ts';
import { motoIsThere } from '../support/moto.ts';
import { startProgram } from '../support/program.ts';
import { requestVmByForm } from '../support/request-form.ts';

/** Besides those on AWS: registered ones, with a free place for each claim. */
const REGISTERED = 400;
const AGENTS = 20;
const CLAIMS_PER_SECOND = 30;
const PASSPHRASE = 'five random words of mine';
const SECRETS = [
  'secret-key',
  'admin-password',
  'deployment-uid',
  'log-forwarder-token',
  'pulumi-passphrase',
  'ssh/id_ed25519.sealed',
];
const EXIT_FAILED = 1;
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';

describe.skipIf(!motoIsThere())('an allocator that is lost', { timeout: 300_000 }, () => {
  test('what was backed up under load is there after a kill and a restore elsewhere, with the machines of today', async () => {
    await using cloud = await startCloud();
    const folder = await temporaryFolder();
    const [oldDir, newDir, config] = [join(folder, 'old'), join(folder, 'new'), join(folder, 'config')];
    const file = join(folder, 'lab.tar.zst.age');
    await mkdir(config);
    await writeFile(join(config, 'config.yaml'), configText(cloud));
    const env = {
      ...cloud.env,
      ...testEngine().env,
      ...serverEnv(),
      CONFIG_DIR: config,
      BACKUP_PASSPHRASE: PASSPHRASE,
      LOG_LEVEL: 'warn',
    };
    const command = async (args: readonly string[], dataDir: string) => {
      const program = startProgram(args, { ...env, DATA_DIR: dataDir });
      return { code: await program.ended, output: program.output() };
    };
    const onAws = async () => (await cloud.machines()).map(({ name }) => name);

    await using old = startProgram(['serve'], { ...env, DATA_DIR: oldDir });
    const url = await old.url();
    const admin = await adminOf(url, oldDir);
    await launch(admin, 3);
    const inBackup = await onAws();
    const agents = await registerMachines(admin, oldDir);
    // Who was told of a machine before the backup began must have it afterwards; the same for lines that were acknowledged.
    const told: string[] = [];
    const load = new AbortController();
    const claiming = claimAtRate(url, told, load.signal);
    const logs = sendLogs(url, agents, load.signal);
    await expect.poll(() => told.length, { timeout: 30_000 }).toBeGreaterThan(CLAIMS_PER_SECOND);
    const before = { told: [...told], lines: logs.acknowledged() };
    expect(await command(['backup', file], oldDir)).toMatchObject({
      code: 0,
      output: expect.stringContaining('does not contain the settings, such as ADMIN_PASSWORD') as string,
    });
    const during = told.length - before.told.length;
    load.abort();
    await Promise.all([claiming, logs.done]);

    await launch(admin, 2);
    const made = (await onAws()).filter((name) => !inBackup.includes(name));
    expect(made).toHaveLength(2);
    const [gone = '?', ...left] = inBackup;
    await cloud.terminate((await cloud.machines()).find(({ name }) => name === gone)!.instanceId);
    const written = await inDatabase(oldDir, rowsOf);
    old.child.kill('SIGKILL');
    await old.ended;

    expect((await command(['restore', file], oldDir)).code).toBe(EXIT_FAILED);
    expect(await command(['restore', file], newDir)).toMatchObject({ code: 0 });
    for (const name of SECRETS)
      expect(await readFile(join(newDir, name), 'utf8')).toBe(await readFile(join(oldDir, name), 'utf8'));
    {
      const blindEnv = { ...env, DATA_DIR: newDir, AWS_ENDPOINT_URL: NOWHERE };
      await using blind = startProgram(['serve'], blindEnv);
      await expect(blind.url()).rejects.toThrow('must be compared with the machines that exist');
      expect(await blind.ended).toBe(EXIT_FAILED);
    }

    await using restored = startProgram(['serve'], { ...env, DATA_DIR: newDir });
    const restoredUrl = await restored.url();
    const restoredAdmin = await adminOf(restoredUrl, newDir);
    const listed = Object.keys((await restoredAdmin.GET('/api/vm-status')).data ?? {});
    expect(listed.filter((name) => !name.startsWith('desk-')).sort()).toEqual(left);
    expect(listed).toHaveLength(REGISTERED + left.length);
    const { data: orphans } = await restoredAdmin.GET('/api/v1/orphans', {
      params: { query: { refresh: true } },
    });
    expect(orphans?.items.map(({ hostname }) => hostname).sort()).toEqual(made);
    expect(await onAws()).toEqual([...left, ...made].sort());

    const found = await inDatabase(newDir, rowsOf);
    expect(written.assignments).toEqual(expect.arrayContaining(found.assignments));
    expect(found.assignments.map(({ email }) => email)).toEqual(expect.arrayContaining(before.told));
    let lines = 0;
    for (const { hostname } of agents) {
      const kept = found.logs.get(hostname) ?? [];
      // In order, each once, and all that were acknowledged.
      expect(kept).toEqual(logs.sent(hostname).slice(0, kept.length));
      expect(kept.length).toBeGreaterThanOrEqual(before.lines.get(hostname) ?? Infinity);
      lines += kept.length;
    }
    console.log(
      `claims: ${before.told.length} before the backup, ${during} while it was made, ${found.assignments.length} in it; ` +
        `log lines: ${sum(before.lines.values())} before, ${sum(logs.acknowledged().values())} in the end, ${lines} in it`,
    );
    // Somebody new gets a machine, and the next launch takes no name of a machine that exists.
    expect((await requestVmByForm(restoredUrl, 'new@example.org')).status).toBe(200);
    await launch(restoredAdmin, 1);
    expect(new Set(await onAws()).size).toBe(left.length + made.length + 1);
    // The Postgres of the killed allocator.
    for (const { pid } of postgresIn(oldDir)) process.kill(pid, 'SIGQUIT');
    await expect.poll(() => postgresIn(oldDir), { timeout: 10_000 }).toEqual([]);
  });
});

async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'lablink-moved-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  await chmod(folder, 0o711);
  return folder;
}

async function adminOf(baseUrl: string, dataDir: string): Promise<LablinkClient> {
  const password = (await readFile(join(dataDir, 'admin-password'), 'utf8')).trim();
  return createLablinkClient({ baseUrl, user: 'admin', password });
}

async function launch(admin: LablinkClient, count: number): Promise<void> {
  const { data } = await admin.POST('/api/launch', { body: { num_vms: count }, ...asForm });
  const id = typeof data === 'object' && 'id' in data ? data.id : '';
  const status = async () =>
    (await admin.GET('/api/v1/operations/{id}', { params: { path: { id } } })).data?.status;
  await expect.poll(status, AWS_WAIT).toBe('succeeded');
}

/** Some with an agent, which has a token; the others as rows. */
async function registerMachines(admin: LablinkClient, dataDir: string) {
  const agents: { hostname: string; token: string }[] = [];
  for (let number = 1; number <= AGENTS; number++) {
    const { data } = await admin.POST('/api/v1/vms', { body: { hostname: `desk-${number}` } });
    agents.push({ hostname: `desk-${number}`, token: data?.token ?? '' });
  }
  await inDatabase(dataDir, async (client) => {
    await client.query(
      `insert into vms (hostname, provider, status) select 'desk-' || n, 'external', 'running' from generate_series($1::int, $2) n`,
      [AGENTS + 1, REGISTERED],
    );
    await client.query(`update vms set status = 'running' where provider = 'external'`);
  });
  return agents;
}

/** Each claim after the time of the one before, whatever became of that. */
async function claimAtRate(url: string, told: string[], signal: AbortSignal): Promise<void> {
  const asked: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let number = 1; !signal.aborted && number < REGISTERED; number++) {
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
  /** The lines of each hostname, in order. */
  readonly logs: ReadonlyMap<string, readonly string[]>;
};

async function rowsOf(client: Client): Promise<Rows> {
  const assignments = await client.query<Rows['assignments'][number]>(
    'select id, hostname, email, pin from assignments order by id',
  );
  const logs = await client.query<{ hostname: string; lines: string[] }>(
    'select hostname, array_agg(line order by id) as lines from vm_logs group by hostname',
  );
  return {
    assignments: assignments.rows,
    logs: new Map(logs.rows.map(({ hostname, lines }) => [hostname, lines])),
  };
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

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((all, each) => all + each, 0);
