// Everything that can be set, once: variable, key in the config file, rule, default, meaning. Its output is the shape of
// the Config (config.ts adds what follows from several settings); documents and messages are derived from it too.
import { z } from 'zod';
import type { FilesOfVms } from '../provision/definition.ts';
import { defaultProvider, providerNames, providers, providersThat } from '../provision/providers.ts';
import { backupSettings } from './backup-schema.ts';
import { deadlines } from './deadline-schema.ts';
import { launchSettings, machineSettings } from './machine-schema.ts';
import { notifySettings } from './notify-schema.ts';
import { env, file } from './setting.ts';
import { logSettings, metricSettings } from './watch-schema.ts';
import { workshopSettings } from './workshop-schema.ts';
import * as rules from './rules.ts';

const { folder, minutes, oneOf, plainText, seconds, wholeNumber } = rules;

const server = z.object({
  host: env('HOST', rules.listenHost, {
    default: '127.0.0.1',
    meaning: 'Address to listen on; `0.0.0.0` is every interface.',
  }),
  port: env('PORT', wholeNumber(0, 65_535), {
    default: 5000,
    meaning: 'Port to listen on; `0` is any free port.',
  }),
  publicUrl: env('PUBLIC_URL', rules.publicUrl, {
    otherwise: 'derived from `dns` and `ssl` of the config file, else from `HOST` and `PORT`',
    meaning: 'The address at which browsers and VMs reach the server. With `https`, cookies are Secure.',
  }),
  trustProxy: env('TRUST_PROXY', rules.trustProxy, {
    default: 'false',
    meaning:
      'Whose `X-Forwarded-For` is trusted: `false` (nobody), the number of proxies in front, or their addresses, ' +
      'separated by commas (`loopback`, `linklocal` and `uniquelocal` are names for such addresses).',
  }),
});

const database = z.object({
  kind: env('DATABASE', oneOf(['embedded', 'external']), {
    otherwise: '`embedded`, or `external` where `DATABASE_URL` is set',
    meaning:
      '`embedded` runs a Postgres server under `DATA_DIR`; `external` uses `DATABASE_URL`, else the `db` section of the config file.',
  }),
  url: env('DATABASE_URL', rules.postgresUrl, {
    otherwise: 'none: the embedded database',
    meaning: 'Your own Postgres server. It wins over `DATABASE` and over the config file.',
    secret: true,
  }),
  directUrl: env('DATABASE_DIRECT_URL', rules.postgresUrl, {
    otherwise: 'the same as `DATABASE_URL`',
    meaning:
      'The address of the same database past a pooler in transaction mode (PgBouncer), for listening, locks, migrations and the queue (docs/operations.md).',
    secret: true,
  }),
  name: file('db.dbname', plainText, { meaning: 'Name of the database.', example: 'lablink' }),
  user: file('db.user', plainText, { meaning: 'User of the database.', example: 'lablink' }),
  password: file('db.password', rules.filledText, {
    meaning: 'Password of that user.',
    secret: true,
    blankCounts: true,
    example: '<password>',
  }),
  host: file('db.host', rules.databaseHost, {
    default: 'localhost',
    meaning: 'Host of the server, or the folder of its socket.',
  }),
  port: file('db.port', wholeNumber(1, 65_535), { default: 5432, meaning: 'Port of the server.' }),
  table: file('db.table_name', plainText, {
    otherwise: '`vms`',
    meaning: 'No effect: the table is always `vms`.',
    example: 'vms',
  }),
  channel: file('db.message_channel', rules.sqlIdentifier, {
    default: 'vm_updates',
    meaning: 'Channel of the notifications in Postgres. It counts for every kind of database.',
  }),
});

const filesIn = (kind: FilesOfVms['kind']): string => providersThat(({ files }) => files.kind === kind);

const download = z.object({
  extensions: env('DOWNLOAD_EXTENSIONS', rules.extensions, {
    file: 'machine.extension',
    default: '*',
    meaning:
      'Which files a download collects: one extension, several separated by commas, or `*` for every file.',
    example: 'slp',
  }),
  leftOut: env('DOWNLOAD_LEAVE_OUT', rules.folderNames, {
    default: 'models,predictions',
    meaning:
      'Names of folders that a download leaves out, with everything in them; `none` leaves out nothing.',
  }),
  folders: env('DOWNLOAD_FOLDERS', oneOf(['machine', 'participant']), {
    default: 'machine',
    meaning:
      'How the folders of the zip are called: by `machine`, or by `participant` (name on the list of participants, and e-mail); machines that nobody has had keep their names.',
  }),
  folder: env('DOWNLOAD_FOLDER', rules.absoluteFolder, {
    default: '/home/client/Desktop',
    meaning: `Participants' folder: in the container with ${filesIn('configured container')}, on the machine itself with ${filesIn('configured folder')}. With ${filesIn('own folder')}, VMs have their own.`,
  }),
  container: env('DOWNLOAD_CONTAINER', rules.containerName, {
    otherwise: 'the one that runs',
    meaning: `With ${filesIn('configured container')}: name of the container; \`none\`: the folder is on the machine itself.`,
  }),
  sshUser: env('DOWNLOAD_SSH_USER', rules.userName, {
    default: 'ubuntu',
    meaning: 'SSH user for machines that have not reported one.',
  }),
  parallel: env('DOWNLOAD_PARALLEL', wholeNumber(1, 64, 'VMs'), {
    default: 4,
    meaning: 'How many machines send at the same time in one download.',
  }),
  maxRunning: env('DOWNLOAD_MAX_RUNNING', wholeNumber(1, 32, 'downloads'), {
    default: 4,
    meaning: 'How many downloads run at the same time; one more is answered with 503.',
  }),
  stallMs: env('DOWNLOAD_STALL_SECONDS', seconds(1, 600), {
    default: 10,
    meaning: 'A machine that sends nothing for this long is given up; the download continues without it.',
  }),
});

const limits = z.object({
  vmsPerLaunch: env('MAX_VMS_PER_LAUNCH', wholeNumber(1, 1_000, 'VMs'), {
    default: 100,
    meaning: 'The most machines in one launch.',
  }),
  codeLifetimeMs: env('CODE_LIFETIME_MINUTES', minutes(1, 1_440), {
    default: 10,
    meaning: 'How long a Chrome Remote Desktop code stays valid; an older one is not delivered again.',
  }),
  deadlines: deadlines.describe('Deadlines'),
  silentAfterMs: env('SILENT_AFTER_MINUTES', minutes(1, 1_440), {
    default: 5,
    meaning:
      'A running machine whose agent stops sending heartbeats for this long becomes `unreachable`; its next report undoes that.',
  }),
  logBytesPerVm: env('MAX_LOG_BYTES_PER_VM', wholeNumber(1_024, 1_073_741_824, 'bytes'), {
    default: 5_242_880,
    meaning: 'How much log is kept for each VM, counting 64 bytes more for each line; the newest lines stay.',
  }),
  freeDiskMb: env('MIN_FREE_DISK_MB', wholeNumber(0, 1_000_000, 'MB'), {
    default: 500,
    meaning:
      'With the embedded database: when less is free on its disk, the logs of machines are refused, so that assignments can still be stored; health warns below twice as much. `0`: never.',
  }),
  reportedVms: env('MAX_REPORTED_VMS', wholeNumber(0, 100_000, 'VMs'), {
    default: 2_000,
    meaning:
      'With `VM_AUTH=open`, any program can report a machine that nobody launched or registered. At most so many of them are added.',
  }),
  vmsPerBrowser: env('MAX_VMS_PER_BROWSER', wholeNumber(0, 10_000, 'VMs'), {
    default: 0,
    meaning:
      'How many machines one browser may request at once; `0`: as many as there are. An organiser may need several.',
  }),
  placesPerBrowser: env('MAX_PLACES_PER_BROWSER', wholeNumber(0, 10_000, 'places'), {
    default: 10,
    meaning:
      'How many places on the waiting list one browser may have; `0`: any number. Participants who share a computer share its browser.',
  }),
  vmsPerAddress: env('MAX_VMS_PER_ADDRESS', wholeNumber(0, 10_000, 'VMs'), {
    default: 0,
    meaning:
      'How many machines one address (of IPv6, one /56 network) may request at once; `0`: as many as there are. A whole workshop may share one address.',
  }),
  requestsPerMinute: env('REQUESTS_PER_MINUTE', wholeNumber(1, 10_000_000, 'requests per minute'), {
    default: 20_000,
    meaning: 'The most requests from one address. A whole workshop may share one address.',
  }),
  waitingVms: env('MAX_WAITING_VMS', wholeNumber(1, 1_000_000, 'VMs'), {
    default: 20_000,
    meaning: 'How many VMs may wait for an assignment at one process.',
  }),
  pollMaxSeconds: env('POLL_MAX_SECONDS', wholeNumber(0, 604_800, 'seconds'), {
    default: 0,
    meaning:
      'A waiting VM is asked to poll again after this time; `0`: it waits for ever. For proxies that cut long responses, and for contract tests.',
  }),
  databasePoolSize: env('DATABASE_POOL_SIZE', wholeNumber(1, 200, 'connections'), {
    default: 10,
    meaning: 'The most connections that a process opens for queries.',
  }),
  shutdownGraceMs: env('SHUTDOWN_GRACE_SECONDS', seconds(0, 3_600), {
    default: 10,
    meaning: 'How long running requests may take to finish when the server stops.',
  }),
});

export const configSchema = z
  .object({
    provider: env('PROVIDER', oneOf(providerNames), {
      default: defaultProvider,
      meaning: `Where machines come from: ${providers.map(({ name, meaning }) => `\`${name}\`: ${meaning}`).join('; ')}.`,
    }),
    dataDir: env('DATA_DIR', folder, {
      default: './data',
      meaning: 'Folder for everything that is kept: secrets, the embedded database, state.',
    }),
    server: server.describe('Server'),
    admin: z
      .object({
        user: env('ADMIN_USER', rules.adminUser, {
          file: 'app.admin_user',
          default: 'admin',
          meaning: 'Name of the admin.',
          blankCounts: true,
        }),
        password: env('ADMIN_PASSWORD', rules.adminPassword, {
          file: 'app.admin_password',
          otherwise: 'generated at the first start, printed, and kept in `DATA_DIR/admin-password`',
          meaning: 'Password of the admin. Placeholders such as `changeme` are refused.',
          secret: true,
          blankCounts: true,
          example: '<password>',
        }),
      })
      .describe('Admin'),
    secretKey: env('SECRET_KEY', rules.secretKey, {
      otherwise: 'generated at the first start and kept in `DATA_DIR/secret-key`',
      meaning: 'Signs cookies and seals secrets. Allocators that share a database need the same key.',
      secret: true,
    }),
    vmAuth: env('VM_AUTH', oneOf(['open', 'required']), {
      otherwise: `\`required\` with ${providersThat(({ needsTokens }) => needsTokens)}, else \`open\``,
      meaning:
        'Whether every VM must have a token and send it. With `open`, anybody who knows the hostname of a VM without one can fetch its PIN.',
    }),
    tokens: z
      .object({
        registration: env('REGISTRATION_TOKEN', rules.bearerToken, {
          secret: true,
          otherwise: 'none: only the admin registers machines',
          meaning: 'Token with which an external machine registers itself.',
        }),
        logForwarder: env('LOG_FORWARDER_TOKEN', rules.bearerToken, {
          secret: true,
          otherwise: `with ${providersThat(({ needsLogForwarder }) => needsLogForwarder)}: generated at the first start and kept in \`DATA_DIR\`; else none`,
          meaning: 'Token with which the log forwarder sends the logs of VMs.',
        }),
      })
      .describe('Tokens'),
    metrics: metricSettings,
    workshop: workshopSettings.describe('Workshop'),
    database: database.describe('Database'),
    deployment: z
      .object({
        name: env('DEPLOYMENT', rules.hostnamePart, {
          default: 'lablink',
          meaning: 'Names this allocator in tags, stack and hostnames (`<deployment>-vm-<environment>-<n>`).',
        }),
        environment: env('ENVIRONMENT', rules.hostnamePart, {
          default: 'prod',
          meaning: 'The stage, such as `dev` or `prod`, used in the same places.',
        }),
      })
      .describe('Deployment'),
    ...machineSettings,
    launch: launchSettings.describe('Launches'),
    download: download.describe('Download of the participants’ work'),
    backup: backupSettings.describe('Backups'),
    notify: notifySettings.describe('Notifications'),
    limits: limits.describe('Limits'),
    ...logSettings,
    responseFaults: env('RESPONSE_FAULTS', oneOf(['log', 'throw']), {
      default: 'log',
      meaning:
        'What happens to a response that breaks the contract: `log` it and send it, or `throw` (500; for tests).',
    }),
    configFile: z
      .object({
        dir: env('CONFIG_DIR', folder, {
          default: './config',
          meaning: 'Folder of the config file. If you set it, the file must exist.',
        }),
        name: env('CONFIG_NAME', rules.fileName, {
          default: 'config.yaml',
          meaning: 'Name of the config file, with or without `.yaml`. If you set it, the file must exist.',
        }),
      })
      .describe('Config file'),
  })
  .describe('General');
