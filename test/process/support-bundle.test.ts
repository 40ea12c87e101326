// `lablink support-bundle`: of a server that runs, with secrets everywhere; and while the database is away.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sql } from 'kysely';
import { extract } from 'tar-stream';
import { expect, onTestFinished, test } from 'vitest';
import { runSupportBundle } from '../../src/app/support-bundle.ts';
import { createLablinkClient } from '../../src/client/client.ts';
import { loadConfig } from '../../src/config.ts';
import { inspectConfig } from '../../src/config/inspect.ts';
import { configSchema } from '../../src/config/schema.ts';
import { listSettings } from '../../src/config/setting.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { EXAMPLE, FREE, seedLab } from '../support/example-rows.ts';
import { withAdmin } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { requestVmByForm } from '../support/request-form.ts';
import { ADMIN, startTestServer } from '../support/server.ts';

/** Every setting that is secret, with a value that is found again: of an address of a database, its password. */
const SECRETS = listSettings(configSchema).flatMap(({ setting }) => {
  if (setting.secret !== true) return [];
  const name = setting.env ?? setting.file ?? '';
  const isAddress = setting.accepts.includes('postgres://');
  return [
    { ...setting, name, isAddress, value: `hidden-of-${name}-${setting.accepts.length}-abcdefghijklmnop` },
  ];
});
const VARIABLES: Readonly<Record<string, string>> & { readonly ADMIN_PASSWORD: string } = {
  ADMIN_PASSWORD: '',
  ...Object.fromEntries(
    SECRETS.flatMap(({ env, isAddress, value }) => (env && !isAddress ? [[env, value]] : [])),
  ),
  BACKUP_PASSPHRASE: 'five random "words" of mine',
  SMTP_PASSWORD: 'of the mail server 7Q',
  WORKSHOP_INSTRUCTIONS: 'The Wi-Fi is called lab, with swordfish.',
  WORKSHOP_CONTACT: 'Contact Person, contact@example.org',
};
const AWS_SECRET = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';
/** Secrets that the data folder keeps. */
const KEPT = {
  'secret-key': 'kept-key-0123456789-abcdefghijklmnopqrstuvwxyz',
  'admin-password': 'kept-in-a-file-of-the-data-folder',
  'log-forwarder-token': 'kept-token-of-the-forwarder',
  'pulumi-passphrase': 'kept passphrase of the state',
  'postgres/password': 'kept-password-of-postgres',
};
const SSH_KEY = makeSshKeyPair().privateKey;
const HASH = '$argon2id$v=19$m=19456,t=2,p=1$HPX08EAmoAMP33i7tYVV3g$0OJjReWtIzXeb7ZnnnMTYeNzZPr';
const SIGNING_SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const WEBHOOK_PATH = 'services/T0/B0/a-secret-path';
const WAITING_CODE = '271828';
const CODE = 'ACDE3467';
const KEY =
  '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----';
const ODD = "o'brien@lab{1}.example.org";
/** Of people who stand in rows, in output, in the journal. */
const EMAILS = [EXAMPLE.email, 'joan@example.org', 'ada@example.org', ODD, 'new.person@uni.example.org'];
const TYPED = 'what a participant typed';
/** Beside the commands of participants: their codes begin so. */
const CRD_CODE = '4/0A';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-support-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function unpack(path: string): Promise<Map<string, string>> {
  const tar = extract();
  tar.end(gunzipSync(await readFile(path)));
  const files = new Map<string, string>();
  for await (const entry of tar) {
    let text = '';
    for await (const chunk of entry) text += String(chunk);
    files.set(entry.header.name.replace(/^[^/]+\//, ''), text);
  }
  return files;
}

/** Of the test's database: both passwords are secrets of the configuration, and with the second a role logs in. */
async function addressesOf(connectionString: string): Promise<Record<string, string>> {
  const role = `support_${randomBytes(6).toString('hex')}`;
  onTestFinished(async () => {
    await withAdmin((admin) => admin.query(`drop role ${role}`));
  });
  const entries = SECRETS.filter(({ isAddress }) => isAddress).map(({ name, value }) => {
    const url = Object.assign(new URL(connectionString), { username: role, password: value });
    return [name, url.href];
  });
  const { value = '' } = SECRETS.find(({ name }) => name === 'DATABASE_DIRECT_URL') ?? {};
  await withAdmin((admin) => admin.query(`create role ${role} superuser login password '${value}'`));
  return Object.fromEntries(entries) as Record<string, string>;
}

/** The secrets of the configuration that no variable has. */
const configFile = SECRETS.flatMap(({ env, file, value }) => {
  const [section = '', key = ''] = file?.split('.') ?? [];
  return env === undefined ? [`${section}:\n  ${key}: ${value}\n`] : [];
}).join('');

test('a bundle of a running server has what helps, and no secret, e-mail address, name or log line of a machine', async () => {
  await using server = await startTestServer(VARIABLES);
  const { db, url, dataDir, database } = server;
  await seedLab(db);
  expect((await requestVmByForm(url, 'new.person@uni.example.org')).status).toBe(200);
  await db.insertInto('vm_logs').values({ hostname: EXAMPLE.hostname, line: TYPED }).execute();
  await db
    .insertInto('settings')
    .values({ key: 'code', value: JSON.stringify(CODE), changed_by: 'admin' })
    .execute();
  await db.insertInto('roster').values({ email: ODD, name: 'Miles', added_by: 'admin' }).execute();
  const text = `ada@example.org and ada@example.org: postgres://lab:${AWS_SECRET}@db/lab password=hunter22 ${KEY}`;
  await db
    .insertInto('operation_events')
    .values({ operation_id: EXAMPLE.operationId, level: 'error', text })
    .execute();
  const details = [`${ODD} was allowed`, `ada@example.org was moved, code ${CODE}`];
  await db
    .insertInto('audit_events')
    .values(details.map((detail) => ({ who: 'admin', what: 'roster', detail })))
    .execute();
  await sql`insert into waiting_list (id, email, code, browsers)
    values (${EXAMPLE.placeId}, 'joan@example.org', ${WAITING_CODE}, array['a-browser-that-waits'])`.execute(
    db,
  );
  const admin = createLablinkClient({ baseUrl: url, user: ADMIN.user, password: VARIABLES.ADMIN_PASSWORD });
  const webhook = await admin.POST('/api/v1/notifications/recipients', {
    body: { kind: 'webhook', address: `https://hooks.example.org/${WEBHOOK_PATH}`, secret: SIGNING_SECRET },
  });
  expect(webhook.response.status).toBe(200);
  for (const [name, text] of Object.entries({ ...KEPT, 'ssh/id_ed25519': SSH_KEY })) {
    await mkdir(join(dataDir, name, '..'), { recursive: true });
    await writeFile(join(dataDir, name), `${text}\n`);
  }

  const addresses = await addressesOf(database.connectionString);
  const quoted = [
    ...SECRETS.map(({ name, value }) => VARIABLES[name] ?? value),
    ...Object.values(KEPT),
    ...[AWS_SECRET],
  ];
  const folder = await temporaryFolder();
  const [young, old] = [new Date(), new Date(Date.now() - 2 * 86_400_000)].map((at) => at.toISOString());
  const journal = [
    `{"level":"info","time":"${old ?? ''}","msg":"of the day before yesterday"}`,
    `{"level":"error","time":"${young ?? ''}","msg":"for ada@example.org","token":"abc","url":"/x?e=ada%40example.org"}`,
    ...quoted.map(
      (secret) => `Exited with ${secret}, ${encodeURIComponent(secret)} and ${JSON.stringify(secret)}`,
    ),
    `Exited with ${HASH} and ${SIGNING_SECRET}`,
    'DETAIL:  Failing row contains (lablink-vm-prod-1, 482913, null).',
  ];
  const program = join(folder, 'bin', 'journalctl');
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'lines'), `${journal.join('\n')}\n${KEY}\n${SSH_KEY}\n`);
  await writeFile(program, `#!/bin/sh\n/bin/cat "${join(folder, 'lines')}"\n`);
  await chmod(program, 0o755);

  const { port } = new URL(url);
  const sources = {
    env: {
      ...{ ...VARIABLES, ...addresses, PORT: port, DATA_DIR: dataDir },
      ...{ AWS_SECRET_ACCESS_KEY: AWS_SECRET, PATH: join(folder, 'bin') },
      PROVIDER: 'external',
      ...{ SMTP_HOST: 'smtp.example.org', SMTP_FROM: 'lablink@example.net', SMTP_USER: 'lablink' },
    },
    readFile: () => configFile,
    cwd: folder,
  };
  const file = join(folder, 'bundle.tar.gz');
  const context = {
    env: sources.env,
    loaded: loadConfig(sources),
    inspected: inspectConfig(sources),
    platform: thisPlatform(),
    now: new Date(),
  };
  const answer = await runSupportBundle([file], context);
  expect(answer).toMatchObject({ exit: 'ok' });
  expect((await stat(file)).mode & 0o777).toBe(0o600);

  const files = await unpack(file);
  const names = [...files.keys()];
  for (const name of names.filter((entry) => entry !== 'README.txt'))
    expect(answer.text).toContain(`  ${name} `);
  expect(answer.text).not.toMatch(/Could not be read:[^]*/);
  const lines = (name: string) =>
    (files.get(name) ?? '')
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>);
  const jsonOf = (name: string): unknown => JSON.parse(files.get(name) ?? '');
  expect(jsonOf('health.json')).toMatchObject({ status: 200, health: { status: 'ok' } });
  expect(files.get('metrics.txt')).toMatch(/^lablink_vms\{status="running"\} 3$/m);
  expect(jsonOf('configuration.json')).toMatchObject({
    settings: expect.arrayContaining([
      { setting: 'PROVIDER', from: 'environment', value: 'external' },
      { setting: 'SECRET_KEY', from: 'environment', value: '[not shown]' },
    ]) as unknown,
  });
  expect(jsonOf('database.json')).toMatchObject({
    server: [{ version: expect.stringContaining('PostgreSQL') as unknown }],
    migrations: expect.arrayContaining([expect.objectContaining({ migration: '0001-initial' })]) as unknown,
    tables: expect.arrayContaining([expect.objectContaining({ table: 'vms' })]) as unknown,
  });
  expect(files.get('database.json')).not.toContain('not_read');
  expect(lines('operations.jsonl')).toMatchObject([{ id: EXAMPLE.operationId, status: 'succeeded' }]);
  expect(lines('machines.jsonl').find(({ hostname }) => hostname === FREE[0])).toMatchObject({
    assigned: true,
  });

  // The same person has the same name, wherever the address stands.
  const ada = /person-\d+@hidden\.invalid/.exec(files.get('operation-events.jsonl') ?? '')?.[0] ?? 'nobody';
  expect(lines('operation-events.jsonl')[0]?.['text']).toContain(`${ada} and ${ada}: `);
  expect(files.get('audit.jsonl')).toContain(`${ada} was moved`);
  expect(files.get('audit.jsonl')).not.toContain(`${ada} was allowed`);
  expect(files.get('allocator.log')).toContain(`for ${ada}`);
  expect(files.get('allocator.log')).toContain(ada + '"}');
  expect(files.get('allocator.log')).not.toContain('of the day before yesterday');

  const assignment = await db.selectFrom('assignments').selectAll().execute();
  const { rows } = await sql<{ password_hash: string; sealed_secret: string }>`
    select password_hash, sealed_secret from accounts, notification_recipients where sealed_secret is not null`.execute(
    db,
  );
  const browsers = assignment.flatMap(({ browsers: ids }) => ids).filter((id) => id !== 'a browser');
  expect({ rows: rows.length, browsers: browsers.length }).toEqual({ rows: 1, browsers: 1 });
  const everything = [...names, ...files.values(), answer.text].join('\n');
  const hidden = [
    ...quoted.flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]),
    ...[CODE, 'ACDE-3467', 'hunter22', 'swordfish', TYPED, CRD_CODE],
    ...[...EMAILS, 'contact@example.org', 'brien', 'new.person', 'ada%40', 'Hopper', 'Miles'],
    ...['b3BlbnNzaC1rZXk', 'AAAABG5vbmU', ...SSH_KEY.split('\n').filter((line) => line !== '')],
    ...rows.flatMap((row) => Object.values(row)),
    ...[HASH, SIGNING_SECRET, WEBHOOK_PATH, 'a-browser-that-waits', ...browsers],
    ...assignment.flatMap(({ crd_command, id }) => [crd_command, id]),
  ];
  expect(hidden.filter((secret) => everything.includes(secret))).toEqual([]);
  expect(everything).not.toMatch(new RegExp(`\\b${WAITING_CODE}\\b`));
  for (const { pin } of assignment) expect(everything).not.toMatch(new RegExp(`\\b${pin}\\b`));
});

test('while the server, its database and a journal are away, the command writes the rest and says what is missing', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'bundle.tar.gz');
  const log = join(folder, 'kept.log');
  await writeFile(log, 'Database password=hunter22 refused for ada@example.org\n');
  const run = async (...more: string[]) => {
    const program = startProgram(['support-bundle', file, ...more], {
      ...{ PORT: '47', PATH: folder, DATA_DIR: join(folder, 'data'), ADMIN_PASSWORD: ADMIN.password },
      DATABASE_URL: 'postgres://lab:quite-a-secret@127.0.0.1:9/lab',
    });
    return { code: await program.ended, output: program.output() };
  };
  const { code, output } = await run();
  expect(code).toBe(0);
  expect(output).toMatch(/Could not be read:\n {2}health\.json, metrics\.txt: .*ECONNREFUSED/);
  expect(output).toMatch(/database\.json, operations\.jsonl, .*: .*ECONNREFUSED/);
  expect(output).toMatch(/allocator\.log: there is no journal here .*--log <file>/);
  const files = await unpack(file);
  expect([...files.keys()]).toEqual(['versions.json', 'configuration.json', 'computer.json', 'README.txt']);
  expect([...files.values()].join('\n') + output).not.toContain('quite-a-secret');

  expect(await run('--log', log)).toMatchObject({
    code: 1,
    output: expect.stringContaining(`There is ${file} already.`) as unknown,
  });
  await rm(file);
  expect((await run('--log', log)).code).toBe(0);
  expect((await unpack(file)).get('allocator.log')).toMatch(
    /^Database password=\[redacted\] refused for person-\d+@hidden\.invalid$/,
  );
});
