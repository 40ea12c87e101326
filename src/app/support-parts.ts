// What is in a support bundle, and where it comes from.
import { tmpdir } from 'node:os';
import process from 'node:process';
import { createLablinkClient } from '../client/client.ts';
import type { Config } from '../config.ts';
import { listenUrl } from '../config/derive.ts';
import { findDataDir } from '../db/embedded/data-dir.ts';
import { pathsIn } from '../db/embedded/paths.ts';
import { readLogFrom } from '../db/embedded/server-log.ts';
import { databaseFacts, supportRows } from '../db/support-facts.ts';
import { createCleaner, type Cleaner } from '../support/clean.ts';
import { describeComputer, describeDisks, describeFolder } from '../support/computer.ts';
import { readJournal, readLogFile } from '../support/logs.ts';
import { readParts, type Collected, type Part } from '../support/parts.ts';
import { version } from '../version.ts';
import { openForReading, secretsOf, type BundleContext, type ReadDatabase } from './support-sources.ts';

/** Of the systemd unit (deploy/lablink.service). */
const UNIT = 'lablink';
const ANSWER_MS = 10_000;
const HOW_TO_ADD_LOG =
  'Add the log with --log <file>, which may be the output of `docker compose logs --no-color --no-log-prefix --since 24h allocator`.';

/** @param log of the allocator, where no journal has it */
export async function collectBundle(context: BundleContext, log: string | undefined): Promise<Collected> {
  const { loaded, inspected } = context;
  const config = loaded.ok ? loaded.value.config : null;
  const { platform } = context;
  const { dataDir: wanted } = inspected;
  const dataDir = (await findDataDir({ dataDir: wanted, platform })) ?? wanted;
  await using database = await openForReading(config, dataDir);
  const cleaner = createCleaner({
    secrets: [...(await secretsOf(context, dataDir)), ...database.toHide.secrets],
    emails: database.toHide.emails,
  });
  const json = (name: string, words: string, read: () => Promise<object> | object): Part => ({
    name,
    about: words,
    read: async () => cleaner.json(await read()),
  });
  const parts = [
    json('versions.json', 'LabLink, Node and its libraries', () => ({
      lablink: version,
      made_at: context.now,
      node: process.versions,
      arguments_of_node: process.execArgv,
    })),
    json('configuration.json', 'every setting and where it comes from; errors and warnings', () => ({
      errors: loaded.ok ? [] : loaded.failure,
      warnings: loaded.ok ? loaded.value.warnings : [],
      config_file: config?.configFile?.path ?? null,
      settings: inspected.settings,
    })),
    ...serverParts(config, cleaner),
    json('computer.json', 'system, processors, memory, limits', () => describeComputer(context.env)),
    json('disk.json', 'space of the disks; sizes in the data folder, without contents', async () => ({
      disks: await describeDisks({ data: dataDir, temporary: tmpdir(), ...backupFolder(config) }),
      data_folder: await describeFolder(dataDir),
    })),
    ...databaseParts(database, cleaner),
    allocatorLog(context, log, cleaner),
    ...(config?.database.kind === 'external' ? [] : [postgresLog(dataDir, cleaner)]),
  ];
  return await readParts(parts, cleaner);
}

function backupFolder(config: Config | null): Record<string, string> {
  const { place = 's3://' } = config?.backup ?? {};
  return place.startsWith('s3://') ? {} : { backups: place };
}

/** What the allocator that runs here says of itself: it has the pool, the groups and the listener. */
function serverParts(config: Config | null, cleaner: Cleaner): Part[] {
  return [
    {
      name: 'health.json',
      about: 'what the allocator that runs here says, with its checks and groups',
      read: async () => {
        const { server } = requireConfig(config);
        const client = createLablinkClient({ baseUrl: listenUrl(server.host, server.port) });
        const { data, error, response } = await client.GET('/api/health', limited());
        return cleaner.json({ status: response.status, health: data ?? error });
      },
    },
    {
      name: 'metrics.txt',
      about: 'its metrics: requests, connections, groups, queues, event loop',
      read: async () => {
        const { server, metrics } = requireConfig(config);
        const { port, host, token } = metrics;
        const baseUrl = port === undefined ? listenUrl(server.host, server.port) : listenUrl(host, port);
        const client = createLablinkClient(token === undefined ? { baseUrl } : { baseUrl, token });
        const { data, response } = await client.GET('/metrics', { ...limited(), parseAs: 'text' });
        if (data === undefined) throw new Error(`/metrics answered with status ${response.status}`);
        return cleaner.text(data);
      },
    },
  ];
}

function limited(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(ANSWER_MS) };
}

function requireConfig(config: Config | null): Config {
  if (config === null) throw new Error('the configuration is wrong, so that the address is not known');
  return config;
}

function databaseParts({ read }: ReadDatabase, cleaner: Cleaner): Part[] {
  const lines = Object.entries(supportRows).map(([name, { about, query }]) => ({
    name: `${name}.jsonl`,
    about,
    read: async () => cleaner.rows(await read(query)),
  }));
  const facts: Part = {
    name: 'database.json',
    about: 'version, size, tables, connections, migrations, queue',
    read: async () => {
      const { server, ...others } = databaseFacts;
      // Fails where the database is away; the others say by themselves what is wrong with them.
      const entries: [string, unknown][] = [['server', await read(server)]];
      for (const [name, query] of Object.entries(others))
        entries.push([name, await read(query).catch((error: unknown) => ({ not_read: String(error) }))]);
      return cleaner.json(Object.fromEntries(entries));
    },
  };
  return [facts, ...lines];
}

function allocatorLog({ env, now }: BundleContext, log: string | undefined, cleaner: Cleaner): Part {
  return {
    name: 'allocator.log',
    about: 'the last day of its log',
    read: async () => {
      if (log !== undefined) return cleaner.text(await readLogFile(log, now));
      const text = await readJournal(UNIT, env['PATH'], now).catch((error: unknown) => {
        const said = error instanceof Error ? error.message : String(error);
        throw new Error(`there is no journal here (${said}). ${HOW_TO_ADD_LOG}`);
      });
      if (text !== '') return cleaner.text(text);
      throw new Error(
        `the journal has nothing of the unit ${UNIT} that this user may read (group systemd-journal). ${HOW_TO_ADD_LOG}`,
      );
    },
  };
}

function postgresLog(dataDir: string, cleaner: Cleaner): Part {
  return {
    name: 'postgres.log',
    about: 'the log of the embedded Postgres',
    read: async () => {
      const { log } = pathsIn(dataDir);
      const text = await readLogFrom(log, 0);
      if (text === '') throw new Error(`${log} is empty, or this user may not read it`);
      return cleaner.text(text);
    },
  };
}
