// What the person in the terminal reads: the help text, and the greeting of a server that has started.
import { providers } from '../provision/providers.ts';
import type { AdminCredentials } from '../secrets.ts';
import type { AppContext } from './context.ts';

/** A command and what it does; further lines are its options. */
export function commandUsage(name: string, lines: readonly string[]): string {
  return lines
    .map((line, index) => `  ${(index === 0 ? `lablink ${name}` : '').padEnd(17)}  ${line}\n`)
    .join('');
}

const setUpUsage = providers.flatMap(({ setUp }) => (setUp ? commandUsage('setup', setUp.usage) : []));
const doctorUsage = providers.flatMap(({ doctor }) => (doctor ? commandUsage('doctor', doctor.usage) : []));

export const USAGE = `LabLink Allocator: gives each participant of a workshop a machine.

  lablink serve      start the allocator in the foreground (\`make run\` does this)
${setUpUsage.join('')}  lablink migrate    update the schema of the database, then exit
  lablink ssh-key    print the private key with which the allocator connects to machines, for \`ssh-add -\`
${doctorUsage.join('')}  lablink help       this text; \`lablink help config\` lists every setting
  lablink version    the version

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
