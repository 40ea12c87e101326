// Which database: the embedded one, or the one that DATABASE_URL or the file's db section names.
import type { Environment } from './environment.ts';
import type { FieldFile } from './field-file.ts';
import { shown, type ConfigFault } from './problems.ts';
import { isHost, isUnfilledTemplate, sqlIdentifier } from './rules.ts';

export type Database =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'external'; readonly url: string; readonly from: 'DATABASE_URL' | 'config file' };

export type DatabaseChoice = {
  readonly database: Database;
  /** The channel of NOTIFY, a plain identifier. */
  readonly channel: string;
  readonly faults: readonly ConfigFault[];
  readonly warnings: readonly string[];
};

const DEFAULT_CHANNEL = 'vm_updates';
const DEFAULT_PORT = 5432;
const DEFAULT_HOST = 'localhost';
/** The only table there is for VMs; files of the field may name another. */
const TABLE = 'vms';

const NO_DATABASE: ConfigFault = {
  key: 'DATABASE_URL',
  problem: 'It is not set, although DATABASE is external.',
  remedy: 'Set DATABASE_URL, or write a db section into the config file, or leave DATABASE out.',
};

/** Whether the file's `db` section is what names the database. */
export function fileNamesDatabase(given: Readonly<Record<string, string>>): boolean {
  return given['DATABASE_URL'] === undefined && given['DATABASE']?.trim().toLowerCase() === 'external';
}

/**
 * DATABASE_URL wins; else `DATABASE=external` takes the `db` section; else the embedded one.
 * @param namesDatabase whether there is such a section: where not, DATABASE_URL is what is missing.
 */
export function chooseDatabase(
  values: Pick<Environment, 'DATABASE' | 'DATABASE_URL'>,
  db: FieldFile['db'],
  namesDatabase: boolean,
): DatabaseChoice {
  const named = channelOf(db);
  if (values.DATABASE_URL !== undefined) {
    const ignored =
      values.DATABASE === 'embedded' ? ['DATABASE=embedded has no effect: DATABASE_URL wins.'] : [];
    const database: Database = { kind: 'external', url: values.DATABASE_URL, from: 'DATABASE_URL' };
    return { database, ...named, warnings: ignored };
  }
  if (values.DATABASE !== 'external') return { database: { kind: 'embedded' }, ...named, warnings: [] };
  const faults = [...named.faults, ...(namesDatabase ? faultsOf(db) : [NO_DATABASE])];
  return {
    database: { kind: 'external', url: urlOf(db), from: 'config file' },
    channel: named.channel,
    faults,
    warnings:
      db.table_name === undefined || db.table_name === TABLE
        ? []
        : [`db.table_name has no effect: the table is always ${TABLE}.`],
  };
}

function channelOf(db: FieldFile['db']): { channel: string; faults: ConfigFault[] } {
  const channel = sqlIdentifier.safeParse(db.message_channel ?? DEFAULT_CHANNEL);
  if (channel.success) return { channel: channel.data, faults: [] };
  const problem = `${JSON.stringify(db.message_channel)} ${channel.error.issues[0]?.message ?? 'is wrong'}.`;
  const remedy = `Write a name such as ${DEFAULT_CHANNEL}, or remove the line.`;
  return { channel: DEFAULT_CHANNEL, faults: [{ key: 'db.message_channel', problem, remedy }] };
}

function faultsOf(db: FieldFile['db']): ConfigFault[] {
  const missing = (['dbname', 'user'] as const).filter((key) => db[key] === undefined);
  const faults = missing.map((key) => ({
    key: `db.${key}`,
    problem: 'It is not set, although DATABASE is external.',
    remedy: `Write db.${key}, or set DATABASE_URL.`,
  }));
  return [...faults, ...hostFaults(db.host), ...passwordFaults(db.password)];
}

function hostFaults(host: string | undefined): ConfigFault[] {
  if (host === undefined || host.startsWith('/') || isHost(host)) return [];
  const problem = `${shown(host)} is neither a host name, nor an IP address, nor the folder of a socket.`;
  return [{ key: 'db.host', problem, remedy: 'Write the host alone, without a scheme and a port.' }];
}

function passwordFaults(password: string | undefined): ConfigFault[] {
  if (password === undefined || !isUnfilledTemplate(password)) return [];
  const problem = 'The value (not shown) is a template that nobody filled in.';
  return [{ key: 'db.password', problem, remedy: 'Write the password, or set DATABASE_URL.' }];
}

/** A host that is a path is a folder with the server's socket; a URL carries it as a parameter. */
function urlOf({
  user,
  password,
  host = DEFAULT_HOST,
  port = DEFAULT_PORT,
  dbname,
}: FieldFile['db']): string {
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  const who = `${encodeURIComponent(user ?? '')}${secret}`;
  const name = encodeURIComponent(dbname ?? '');
  if (host.startsWith('/'))
    return `postgresql://${who}@localhost:${port}/${name}?host=${encodeURIComponent(host)}`;
  return `postgresql://${who}@${host.includes(':') ? `[${host}]` : host}:${port}/${name}`;
}
