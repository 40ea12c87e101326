// What the person in the terminal reads: the help text, and the greeting of a server that has started.
import { providers } from '../provision/providers.ts';
import type { AdminCredentials } from '../secrets.ts';
import type { AppContext } from './context.ts';

/** A command and what it does; further lines are its options. */
export function commandUsage(name: string, lines: readonly string[]): string {
  return lines
    .map((line, index) => `  ${(index === 0 ? `lablink ${name}` : '').padEnd(26)}  ${line}\n`)
    .join('');
}

const commands = [
  commandUsage('serve', ['start the allocator in the foreground (`make run` does this)']),
  ...providers.flatMap(({ setUp }) => (setUp ? commandUsage('setup', setUp.usage) : [])),
  commandUsage('migrate', ['update the schema of the database, then exit']),
  commandUsage('ssh-key', [
    'print the private key with which the allocator connects to machines, for `ssh-add -`',
  ]),
  commandUsage('backup', [
    'write a backup to a new file (or s3://bucket/name) while the server runs',
    '--passphrase-file <file>  whose first line encrypts it, instead of BACKUP_PASSPHRASE',
  ]),
  commandUsage('restore', [
    'restore such a backup into an empty data folder and an empty database',
    '--passphrase-file <file>  as above',
  ]),
  commandUsage('check-config', [
    'read the configuration, say what is wrong, and start nothing',
    '--json  as JSON, for programs',
  ]),
  commandUsage('healthcheck', ['ask the allocator that runs here, at HOST and PORT, whether it is ready']),
  ...providers.flatMap(({ doctor }) => (doctor ? commandUsage('doctor', doctor.usage) : [])),
  ...providers.flatMap(({ deploy }) => (deploy ? commandUsage('deploy', deploy.usage) : [])),
  ...providers.flatMap(({ destroyDeployment }) =>
    destroyDeployment ? commandUsage('destroy-deployment', destroyDeployment.usage) : [],
  ),
  commandUsage('help', ['this text; `lablink help config` lists every setting']),
  commandUsage('version', ['the version']),
];

export const USAGE = `LabLink Allocator: gives each participant of a workshop a machine.

${commands.join('')}
Exit codes: 0 done, or all is well; 1 failed; 2 called wrongly.
Environment variables and a config file configure it: see \`lablink help config\` or docs/configuration.md.
`;

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
