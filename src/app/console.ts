// What the person in the terminal reads: the help text, and the greeting of a server that has started.
import { providers } from '../provision/providers.ts';
import type { AdminCredentials } from '../secrets.ts';
import type { AppContext } from './context.ts';

/** What `lablink help` says of a command. */
type CommandHelp = {
  readonly name: string;
  /** What it does; further lines are its options. */
  readonly lines: readonly string[];
  /** Sentences for `lablink help <command>` and docs/commands.md. */
  readonly more: readonly string[];
};

function commandUsage(name: string, lines: readonly string[], ...more: readonly string[]): CommandHelp {
  return { name, lines, more };
}

const doctorOptions = providers.flatMap(({ doctor }) => doctor?.usage.slice(1) ?? []);

/** In the order of the help. */
export const commands: readonly CommandHelp[] = [
  commandUsage(
    'serve',
    ['start the allocator in the foreground (`make run` does this)'],
    'Ends with SIGTERM or Ctrl-C: it refuses new requests, lets running ones finish (SHUTDOWN_GRACE_SECONDS), and exits with 0. A second signal ends it at once, with 1.',
  ),
  ...providers.flatMap(({ setUp }) => (setUp ? commandUsage('setup', setUp.usage) : [])),
  commandUsage(
    'migrate',
    ['update the schema of the database, then exit'],
    '`serve` does this too. By itself it is for a deployment that updates the schema before it starts the new version.',
  ),
  commandUsage('ssh-key', [
    'print the private key with which the allocator connects to machines, for `ssh-add -`',
  ]),
  commandUsage('backup', [
    'write a backup, while the server runs or not',
    '<file>                    a new one, or s3://bucket/name',
    '--passphrase-file <file>  whose first line encrypts it, instead of BACKUP_PASSPHRASE',
  ]),
  commandUsage('restore', [
    'restore a backup into an empty data folder and an empty database',
    '<file>                    of `lablink backup`, or s3://bucket/name',
    '--passphrase-file <file>  whose first line opens it, instead of BACKUP_PASSPHRASE',
  ]),
  commandUsage(
    'check-config',
    ['read the configuration, say what is wrong, and start nothing', '--json  as JSON, for programs'],
    'Exits with 0 if the configuration is valid (warnings do not matter), with 1 if it is not.',
  ),
  commandUsage(
    'healthcheck',
    ['ask the allocator that runs here, at HOST and PORT, whether it is ready'],
    'Exits with 0 if it is ready, with 1 if it is not or does not answer within 5 s.',
  ),
  commandUsage(
    'doctor',
    [
      'check what a launch on AWS needs (programs, credentials, quota, address, state), or what a proxy needs',
      ...doctorOptions,
      '--public <url>   instead: look at the allocator from outside, through the proxy in front of it',
      '--plain <url>    with --public: where plain http is served, if not at port 80 of the same name',
      '--ca <file>      with --public: certificates (PEM) that are trusted besides the usual ones',
      '--hold <seconds> with --public: how long a poll is held: 65 (usual), 1, 130 or 310',
    ],
    'Exits with 0 if nothing is wrong (warnings do not matter), with 1 if something is. Each finding says what to do.',
    '--public checks the certificate, the redirect from http to https, the headers of the proxy, that a poll survives a minute, that event streams are not buffered, and that large bodies pass. Run it on another computer, with ADMIN_USER and ADMIN_PASSWORD of the server in the environment; the password is sent over https only.',
  ),
  commandUsage(
    'support-bundle',
    [
      'write a file for the person who helps: settings, health, operations, log, database, computer',
      '<file>        a new .tar.gz',
      '--log <file>  the log of the allocator, where systemd does not keep it',
    ],
    'Works while the server runs, and while it or its database is away: what cannot be read is named. It starts and changes nothing. The file is a new .tar.gz, which this user alone can read.',
    'Secrets are not in it, nor log lines of machines; e-mail addresses are replaced. It prints what it has put in.',
  ),
  ...providers.flatMap(({ deploy }) => (deploy ? commandUsage('deploy', deploy.usage) : [])),
  ...providers.flatMap(({ destroyDeployment }) =>
    destroyDeployment ? commandUsage('destroy-deployment', destroyDeployment.usage) : [],
  ),
  commandUsage('help', [
    'this text; `lablink help <command>` says more, `lablink help config` lists every setting',
  ]),
  commandUsage('version', ['the version']),
];

export const EXIT_CODES =
  'Exit codes: 0 done, or all is well; 1 failed, or something is wrong; 2 called wrongly.';

function summaryOf({ name, lines }: CommandHelp): string {
  return lines
    .map((line, index) => `  ${(index === 0 ? `lablink ${name}` : '').padEnd(26)}  ${line}\n`)
    .join('');
}

export const USAGE = `LabLink Allocator: gives each participant of a workshop a machine.

${commands.map(summaryOf).join('')}
${EXIT_CODES}
Environment variables and a config file configure it: see \`lablink help config\` or docs/configuration.md.
`;

/** The help for one command; null if there is no such command. */
export function helpOf(name: string): string | null {
  const command = commands.find((known) => known.name === name);
  if (command === undefined) return null;
  const [what = '', ...options] = command.lines;
  return [
    `lablink ${name}: ${what}.`,
    ...(options.length > 0 ? ['', ...options.map((line) => `  ${line}`)] : []),
    ...command.more.flatMap((sentence) => ['', sentence]),
    '',
    `${EXIT_CODES}\n`,
  ].join('\n');
}

/** Where the pages are, and how to log in. Printed last, so that it stays at the bottom of the terminal. */
export function greet(
  { say, config }: AppContext,
  { url, admin }: { readonly url: string; readonly admin: AdminCredentials },
): void {
  const address = config.server.publicUrl ?? url;
  say('');
  say(`LabLink Allocator is running, listening on ${url}. Press Ctrl-C to stop it.`);
  say(`  API            ${address}/docs`);
  say(`  Participants   ${address}/`);
  say(`  Organiser      ${address}/admin`);
  say(`    user         ${admin.user}`);
  say(`    password     ${passwordLine(admin)}`);
}

function passwordLine({ password, file }: AdminCredentials): string {
  if (file === undefined) return 'as configured';
  return file.isNew ? `${password}  (shown only this time; kept in ${file.path})` : `in ${file.path}`;
}
