// Every variable, once, as data: the defaults that are used, and the words of README's table and of the remedies.
// Knows no rule; environment.ts holds those, one for each of these keys.
import type { ConfigKey } from './key.ts';
import { downloadKeys, launchKeys, provisioningKeys } from './machine-keys.ts';

export const configKeys = {
  HOST: {
    default: '127.0.0.1',
    meaning: 'Address to listen on; `0.0.0.0` takes every interface.',
    accepts: 'an IP address or a host name of this machine',
  },
  PORT: {
    default: '5000',
    meaning: 'Port to listen on; `0` takes any free one.',
    accepts: 'a whole number from 0 to 65535',
  },
  PUBLIC_URL: {
    otherwise: "made of the config file's `dns` and `ssl`, else of `HOST` and `PORT`",
    meaning: 'The address under which browsers and VMs reach the server. With `https`, cookies are Secure.',
    accepts: 'an address such as https://lablink.example.org, without a path',
  },
  TRUST_PROXY: {
    default: 'false',
    meaning:
      'Whose `X-Forwarded-For` is believed: `false` (nobody), the number of proxies in front, or their addresses, ' +
      'separated by commas (`loopback`, `linklocal` and `uniquelocal` are names for such).',
    accepts:
      'false, the number of proxies in front (1 to 32), or their addresses such as 10.0.0.0/8,loopback',
  },
  DATA_DIR: {
    default: './data',
    meaning: 'Folder of everything that is kept: secrets, the embedded database, state.',
    accepts: 'the path of a folder',
  },
  DATABASE: {
    default: 'embedded',
    meaning:
      '`embedded` runs a Postgres of its own under `DATA_DIR`; `external` takes `DATABASE_URL`, ' +
      'else the `db` section of the config file. `DATABASE_URL` alone means `external` already.',
    accepts: 'embedded or external',
  },
  DATABASE_URL: {
    otherwise: 'none: the embedded database',
    meaning: 'A Postgres server of yours. It wins over `DATABASE` and over the config file.',
    accepts: 'an address such as postgres://user:password@host:5432/database',
    secret: true,
  },
  DATABASE_POOL_SIZE: {
    default: '10',
    meaning: 'How many connections a process opens for queries.',
    accepts: 'a whole number from 1 to 200',
    unit: 'connections',
  },
  ADMIN_USER: {
    default: 'admin',
    meaning: 'Name of the admin.',
    accepts: 'a name without a colon',
    fileKey: 'app.admin_user',
  },
  ADMIN_PASSWORD: {
    otherwise: 'made at the first start, printed, and kept in `DATA_DIR/admin-password`',
    meaning: 'Password of the admin. Placeholders such as `changeme` are refused.',
    accepts: 'a password of your own',
    secret: true,
    fileKey: 'app.admin_password',
  },
  SECRET_KEY: {
    otherwise: 'made at the first start and kept in `DATA_DIR/secret-key`',
    meaning: 'What cookies are signed with. Allocators that share a database need the same one.',
    accepts: 'at least 32 random characters, for example from `openssl rand -hex 32`',
    secret: true,
  },
  PROVIDER: {
    default: 'local',
    meaning:
      'Where machines come from: `local` processes, `aws` (docs/aws.md), or `external` ones that come by themselves.',
    accepts: 'local, aws or external',
  },
  VM_AUTH: {
    otherwise: '`required` with `PROVIDER=aws`, else `open`',
    meaning: 'Whether a VM must show its token. With `open`, whoever knows a hostname can fetch its PIN.',
    accepts: 'open or required',
  },
  REGISTRATION_TOKEN: {
    otherwise: 'none: only the admin registers machines',
    meaning: 'What an external machine shows to register itself.',
    accepts: 'random letters and digits, for example from `openssl rand -hex 32`',
    secret: true,
  },
  LOG_FORWARDER_TOKEN: {
    otherwise: 'with `PROVIDER=aws`: made at the first start and kept in `DATA_DIR`; else none',
    meaning: 'What the log forwarder shows when it sends the logs of VMs.',
    accepts: 'random letters and digits, for example from `openssl rand -hex 32`',
    secret: true,
  },
  DEPLOYMENT: {
    default: 'lablink',
    meaning: 'Names this allocator in tags, stack and hostnames (`<deployment>-vm-<environment>-<n>`).',
    accepts: 'at most 24 lower-case letters, digits and inner dashes',
  },
  ENVIRONMENT: {
    default: 'prod',
    meaning: 'The stage, in the same places.',
    accepts: 'at most 24 lower-case letters, digits and inner dashes',
  },
  CONFIG_DIR: {
    default: './config',
    meaning: 'Folder of the config file. One that is named must hold it.',
    accepts: 'the path of a folder',
  },
  CONFIG_NAME: {
    default: 'config.yaml',
    meaning: 'Name of the config file, with or without `.yaml`. One that is named must exist.',
    accepts: 'the name of a file',
  },
  ...provisioningKeys,
  WORKSHOP_TITLE: {
    otherwise: 'none: the pages say “Get your machine”',
    meaning: "The workshop's name, on the participants' pages.",
    accepts: 'at most 120 characters',
  },
  WORKSHOP_INSTRUCTIONS: {
    otherwise: 'none',
    meaning:
      'What participants should know, on the form page. A blank line begins a paragraph; addresses become links.',
    accepts: 'at most 4000 characters',
  },
  WORKSHOP_CONTACT: {
    otherwise: 'none: the pages say “your instructor”',
    meaning: 'Whom participants ask for help: an e-mail address, an address of a page, or words.',
    accepts: 'at most 200 characters in one line',
  },
  LOG_LEVEL: {
    default: 'info',
    meaning: 'The least severe line that is logged.',
    accepts: 'trace, debug, info, warn, error, fatal or silent',
  },
  ...launchKeys,
  CODE_LIFETIME_MINUTES: {
    default: '10',
    meaning: 'How long a CRD code can be alive; an older one is not delivered again.',
    accepts: 'a whole number from 1 to 1440',
    unit: 'minutes',
  },
  START_DEADLINE_MINUTES: {
    default: '15',
    meaning: 'A machine that is starting for longer is shown as overdue.',
    accepts: 'a whole number from 1 to 1440',
    unit: 'minutes',
  },
  RECYCLE_DEADLINE_MINUTES: {
    default: '10',
    meaning: 'A machine that is being emptied, or destroyed, for longer is shown as overdue.',
    accepts: 'a whole number from 1 to 1440',
    unit: 'minutes',
  },
  DELIVERY_DEADLINE_MINUTES: {
    default: '2',
    meaning:
      'A command that its machine has not fetched, or not confirmed, after so long is shown as overdue.',
    accepts: 'a whole number from 1 to 1440',
    unit: 'minutes',
  },
  SILENT_AFTER_MINUTES: {
    default: '5',
    meaning:
      'A running machine whose agent sends heartbeats, and has sent none for so long, becomes `unreachable`; its next report brings it back.',
    accepts: 'a whole number from 1 to 1440',
    unit: 'minutes',
  },
  MAX_LOG_BYTES_PER_VM: {
    default: '5242880',
    meaning: 'How much log is kept of each VM, 64 bytes a line included; the newest stays.',
    accepts: 'a whole number from 1024 to 1073741824',
    unit: 'bytes',
  },
  REQUESTS_PER_MINUTE: {
    default: '20000',
    meaning: 'Requests of one address. A whole workshop is one address.',
    accepts: 'a whole number from 1 to 10000000',
    unit: 'requests per minute',
  },
  MAX_WAITING_VMS: {
    default: '20000',
    meaning: 'How many VMs may wait for an assignment at one process.',
    accepts: 'a whole number from 1 to 1000000',
    unit: 'VMs',
  },
  POLL_MAX_SECONDS: {
    default: '0',
    meaning:
      'After this long, a VM that waits is told to ask again; `0` lets it wait for ever. For proxies that cut long answers, and for programs that try the contract out.',
    accepts: 'a whole number from 0 to 604800',
    unit: 'seconds',
  },
  ...downloadKeys,
  RESPONSE_FAULTS: {
    default: 'log',
    meaning:
      'What an answer that breaks the contract does: `log` it and send it, or `throw` (500; for tests).',
    accepts: 'log or throw',
  },
  SHUTDOWN_GRACE_SECONDS: {
    default: '10',
    meaning: 'How long running requests may take to finish when the server stops.',
    accepts: 'a whole number from 0 to 3600',
    unit: 'seconds',
  },
} as const satisfies Record<string, ConfigKey>;

export type ConfigKeyName = keyof typeof configKeys;

/** Every key with its words, in the order in which a person reads them. */
export const listConfigKeys = (): [name: string, key: ConfigKey][] => Object.entries(configKeys);

/** The configuration table of the README, as markdown, without a newline at its end. */
export function renderConfigTable(): string {
  const rows = listConfigKeys().map(([name, key]) => {
    const standard = key.default === undefined ? (key.otherwise ?? '') : `\`${key.default}\``;
    const file = key.fileKey === undefined ? '' : ` Config file: \`${key.fileKey}\`.`;
    return `| \`${name}\` | ${standard} | ${key.unit ?? ''} | ${key.meaning}${file} |`;
  });
  return ['| Variable | Default | Unit | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
