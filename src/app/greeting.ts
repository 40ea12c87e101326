// What a newcomer needs to read when the allocator has started: where to look, and how to get in.
import type { AdminCredentials } from '../secrets.ts';
import type { Environment } from './environment.ts';

export type Greeting = {
  readonly url: string;
  readonly admin: AdminCredentials;
  /** Sentences of the database. */
  readonly notes: readonly string[];
};

export function greet({ say, config }: Environment, { url, admin, notes }: Greeting): void {
  const { publicUrl } = config.server;
  for (const note of notes) say(note);
  say(`LabLink Allocator is listening on ${url}`);
  if (publicUrl !== undefined && publicUrl !== url) say(`  public     ${publicUrl}`);
  say(`  form       ${url}/`);
  say(`  dashboard  ${url}/admin`);
  say(`             user ${admin.user}, ${passwordHint(admin)}`);
  say(`  contract   ${url}/docs`);
  say('Press Ctrl-C to stop.');
}

function passwordHint(admin: AdminCredentials): string {
  if (admin.source === 'config') return 'the password of the configuration';
  return admin.source === 'made-now'
    ? `password ${admin.password} (shown this once, kept in ${admin.path})`
    : `the password is in ${admin.path}`;
}
