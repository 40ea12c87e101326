// What the person in the terminal reads: the help text, and the greeting of a server that has started.
import type { AdminCredentials } from '../secrets.ts';
import type { AppContext } from './context.ts';

export const DOCTOR_USAGE = `  lablink doctor     check what a launch on AWS needs: programs, credentials, quota, address, state
                     --vms <number>   for this many machines: which quota to request, and where; needs no set-up
                     --type <type>    this instance type instead of the configured one
                     --region <name>  this region instead of the configured one
                     --json           output for programs
`;

export const USAGE = `LabLink Allocator: gives each participant of a workshop a machine.

  lablink serve      start the allocator in the foreground (\`make run\` does this)
  lablink setup      install Pulumi and its AWS plugin in the data folder (PROVIDER=aws)
  lablink migrate    update the schema of the database, then exit
  lablink ssh-key    print the private key with which the allocator connects to machines, for \`ssh-add -\`
${DOCTOR_USAGE}  lablink help       this text; \`lablink help config\` lists every setting
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
