// What follows from several settings: which database, the public address, and defaults that depend on the provider.
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { definitionOf } from '../provision/providers.ts';
import { fail, succeed, type Result } from '../result.ts';
import type { ConfigFailure } from './failure.ts';
import type { Values } from './read.ts';
import { isHost } from './rules.ts';

export type Database =
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'external';
      readonly url: string;
      /** Where `url` leads to a pooler in transaction mode: past it. Undefined: `url` does for everything. */
      readonly directUrl: string | undefined;
      readonly from: 'DATABASE_URL' | 'config file';
    };

const DEFAULT_APP_NAME = 'lablink';
const DEFAULT_STAGE = 'prod';
const BACKUP_FOLDER = 'backups';
/** A launch of more machines than this creates one first, where machines cost money. */
const CANARY_ABOVE = 5;
/** The only table for VMs; LabLink config files may name another. */
const TABLE = 'vms';
const WILDCARD_HOSTS: readonly string[] = ['0.0.0.0', '::'];

type Derived = { readonly database: Database; readonly publicUrl: string | undefined };

/** The Config without what stands under `derived`; durations in milliseconds, sizes in bytes. */
export function composeConfig(values: Values, { database, publicUrl }: Derived, cwd: string, path?: string) {
  const { server, machine, limits } = values;
  const { needsTokens, bills } = definitionOf(values.provider);
  const types = [...new Set([...(machine.type ? [machine.type] : []), ...(machine.types ?? [])])];
  return {
    ...values,
    /** Absolute. */
    dataDir: resolve(cwd, values.dataDir),
    server: {
      ...server,
      /** The origin that people and VMs use; undefined where only the listening address tells it (`listenUrl`). */
      publicUrl,
      /** Whether cookies are Secure: the public URL is https. */
      secureCookies: publicUrl?.startsWith('https:') ?? false,
    },
    database,
    /** The channel of NOTIFY: a plain identifier of at most 63 bytes. */
    notifyChannel: values.database.channel,
    vmAuth: values.vmAuth ?? (needsTokens ? ('required' as const) : ('open' as const)),
    machine: {
      ...machine,
      type: types[0],
      /** Instance types in the order in which they are tried; begins with `type`. */
      types,
      subnetIds: machine.subnetIds ?? [],
      sshCidrs: machine.sshCidrs ?? [],
    },
    launch: composeLaunch(values.launch, bills),
    backup: {
      ...values.backup,
      /** An absolute folder, or `s3://…`. */
      place: composePlace(values, cwd),
    },
    notify: { ...values.notify, smtp: composeMail(values) },
    limits: {
      ...limits,
      /** Undefined: polls have no end. */
      pollMaxSeconds: limits.pollMaxSeconds === 0 ? undefined : limits.pollMaxSeconds,
    },
    /** The config file that was read; relative paths in it start at `dir`. */
    configFile: path === undefined ? undefined : { path, dir: dirname(path) },
  };
}

/** Undefined where no e-mail is sent. */
function composeMail({ notify: { smtp } }: Values) {
  const { host, port, from, tls, user, password } = smtp;
  if (host === undefined || from === undefined) return undefined;
  return { host, port: port ?? (tls === 'tls' ? 465 : 587), from, tls, user, password };
}

function composePlace({ backup: { place }, dataDir }: Values, cwd: string): string {
  if (place === undefined) return resolve(cwd, dataDir, BACKUP_FOLDER);
  return place.startsWith('s3://') ? place : resolve(cwd, place);
}

function composeLaunch(launch: Values['launch'], bills: boolean) {
  const above = launch.canaryAbove ?? (bills ? CANARY_ABOVE : 0);
  return {
    ...launch,
    /** Where a launch says nothing; undefined: no end. */
    hours: bills ? launch.hours : undefined,
    /** A launch of more machines creates one first; undefined: none does. */
    canaryAbove: above === 0 ? undefined : above,
  };
}

/** Whether the `db` section of the config file names the database. */
export function usesDatabaseSection(given: Readonly<Record<string, string | undefined>>): boolean {
  return given['DATABASE_URL'] === undefined && given['DATABASE']?.trim().toLowerCase() === 'external';
}

/**
 * DATABASE_URL wins; else `DATABASE=external` takes the `db` section; else the embedded one.
 * @param hasSection whether the config file has a `db` section: without one, DATABASE_URL is missing.
 */
export function chooseDatabase(
  { database }: Pick<Values, 'database'>,
  hasSection: boolean,
): Result<Database, readonly ConfigFailure[]> {
  const { kind, url, directUrl, name, user } = database;
  if (url !== undefined) return succeed({ kind: 'external', url, directUrl, from: 'DATABASE_URL' });
  if (kind !== 'external') return succeed({ kind: 'embedded' });
  const because = 'DATABASE is external';
  if (!hasSection) {
    const remedy = 'Set DATABASE_URL, or write a db section into the config file, or leave DATABASE out.';
    return fail([missing('DATABASE_URL', because, remedy)]);
  }
  if (name === undefined || user === undefined) {
    const keys = [...(name === undefined ? ['db.dbname'] : []), ...(user === undefined ? ['db.user'] : [])];
    return fail(keys.map((key) => missing(key, because, `Write ${key}, or set DATABASE_URL.`)));
  }
  const fromFile = urlOf({ ...database, name, user });
  return succeed({ kind: 'external', url: fromFile, directUrl, from: 'config file' });
}

/** A copy that only this computer can open is none. */
export function checkBackups({ backup }: Values): Result<undefined, ConfigFailure> {
  if (backup.everyHours === 0 || backup.passphrase !== undefined) return succeed();
  const remedy = 'Set it, and keep it in another place than the backups; without it they cannot be opened.';
  return fail(missing('BACKUP_PASSPHRASE', 'BACKUP_EVERY_HOURS asks for backups', remedy));
}

/** A mail server that cannot be used, or to which the password would go in the clear. */
export function checkMail({ notify: { smtp } }: Values): Result<undefined, ConfigFailure> {
  const { host, from, user, password, tls } = smtp;
  if (host === undefined) return succeed();
  if (from === undefined)
    return fail(missing('SMTP_FROM', 'SMTP_HOST is set', 'Set it to the sender of the e-mails.'));
  if ((user === undefined) !== (password === undefined)) {
    const [absent, given] =
      user === undefined ? ['SMTP_USER', 'SMTP_PASSWORD'] : ['SMTP_PASSWORD', 'SMTP_USER'];
    return fail(missing(absent, `${given} is set`, 'Set both, or neither.'));
  }
  if (tls !== 'none' || password === undefined || isLoopback(host)) return succeed();
  return fail({
    code: 'invalid',
    key: 'SMTP_TLS',
    message: 'It is none: everybody on the way could read the password.',
    remedy: 'Set SMTP_TLS to starttls or tls, or leave SMTP_USER and SMTP_PASSWORD out.',
  });
}

/** What the configuration says without effect, or to the danger of someone. */
export function warningsOf({ database, provider, vmAuth }: Values): string[] {
  const { kind, url, directUrl, table = TABLE } = database;
  return [
    ...(kind === 'embedded' && url !== undefined
      ? ['DATABASE=embedded has no effect: DATABASE_URL wins.']
      : []),
    ...(kind !== 'external' && url === undefined && directUrl !== undefined
      ? ['DATABASE_DIRECT_URL has no effect: the embedded database is used. Set DATABASE_URL too.']
      : []),
    ...(table === TABLE ? [] : [`db.table_name has no effect: the table is always ${TABLE}.`]),
    ...(definitionOf(provider).needsTokens && vmAuth === 'open'
      ? [
          `VM_AUTH=open with PROVIDER=${provider}: anybody who knows or invents a hostname can get a code and a PIN.`,
        ]
      : []),
  ];
}

/** A host that is a path is a folder with the server's socket; a URL carries it as a parameter. */
function urlOf({ user, password, host, port, name }: Values['database'] & { name: string; user: string }) {
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`;
  const login = `${encodeURIComponent(user)}${secret}`;
  const path = encodeURIComponent(name);
  if (host.startsWith('/'))
    return `postgresql://${login}@localhost:${port}/${path}?host=${encodeURIComponent(host)}`;
  return `postgresql://${login}@${bracketed(host)}:${port}/${path}`;
}

/**
 * The public origin: PUBLIC_URL; else as LabLink derives it: https unless `ssl.provider` is none or `ssl.staging`,
 * the DNS name where DNS is on, else ALLOCATOR_PUBLIC_IP, without a port, since a proxy listens on the scheme's own;
 * else undefined: only the listening address tells it.
 */
export function derivePublicUrl(values: Values): Result<string | undefined, ConfigFailure> {
  const { server, ssl, dns, aws, deployment } = values;
  if (server.publicUrl !== undefined) return succeed(server.publicUrl);
  const scheme = /^\s*none\s*$/i.test(ssl.provider ?? '') || ssl.staging ? 'http' : 'https';
  if (!dns.enabled) {
    const address = aws.allocatorPublicIp;
    return succeed(address === undefined ? undefined : `${scheme}://${bracketed(address)}`);
  }
  const host = dnsName(dns, deployment.environment);
  return host.ok ? succeed(`${scheme}://${host.value}`) : host;
}

/** Whether only programs of this computer can reach a server that listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * The origin of a listening address, for when nothing names a public one.
 * @param port the real one, where `PORT` is 0.
 */
export function listenUrl(host: string, port: number): string {
  return `http://${WILDCARD_HOSTS.includes(host) ? 'localhost' : bracketed(host)}:${port}`;
}

/** The meaning of each pattern stands in the schema; without one, older LabLink files are read as they always were. */
function dnsName(dns: Values['dns'], environment: string): Result<string, ConfigFailure> {
  const { domain, customSubdomain } = dns;
  const orUrl = 'or set PUBLIC_URL.';
  if (domain === undefined) {
    const remedy = `Write the domain, or dns.enabled: false, ${orUrl}`;
    return fail(missing('dns.domain', 'dns.enabled is true', remedy));
  }
  const app = dns.appName ?? DEFAULT_APP_NAME;
  const pattern = dns.pattern ?? (customSubdomain ? 'custom' : dns.appName ? 'auto' : 'whole');
  if (pattern === 'custom' && customSubdomain === undefined)
    return fail(missing('dns.custom_subdomain', 'dns.pattern is custom', `Write the subdomain, ${orUrl}`));
  const stage = environment === DEFAULT_STAGE ? [] : [environment];
  const front = { auto: [...stage, app], 'app-only': [app], custom: [customSubdomain], whole: [] }[pattern];
  const name = [...front, domain].join('.').toLowerCase();
  if (isHost(name)) return succeed(name);
  return fail({
    code: 'invalid',
    key: 'dns',
    message: `The parts make "${name}", which is not a DNS name.`,
    remedy: `Correct dns.domain, dns.app_name and dns.custom_subdomain, ${orUrl}`,
  });
}

function missing(key: string, because: string, remedy: string): ConfigFailure {
  return { code: 'missing', key, message: `It is not set, although ${because}.`, remedy };
}

const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
