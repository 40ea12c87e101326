// The user of Postgres. Postgres refuses to run as root, so a root process runs it as another user.
import { stat } from 'node:fs/promises';
import { succeed, type Result } from '../../result.ts';
import { refuse } from './failure.ts';
import { pathsIn } from './paths.ts';
import type { Platform } from './platform.ts';
import { runProgram, type Account } from './run-program.ts';

/** Users as whom a root process may run Postgres, in order of preference; `_postgres` exists on macOS. */
const RUN_AS_USERS = ['postgres', '_postgres', 'nobody'];
const TEST_TIMEOUT_MS = 10_000;

/**
 * Chooses the user. Not root: undefined, the user of this process. Root: the owner of the existing database, else of the
 * data folder (so that it can be started with and without sudo), unless that is root too, or a number without a name,
 * which initdb refuses; then `postgres`, or `nobody`.
 */
export async function chooseAccount(
  platform: Platform,
  dataDir: string,
  env: Record<string, string>,
): Promise<Result<Account | undefined>> {
  if (platform.uid !== 0) return succeed(undefined);
  const users = parsePasswd(await platform.passwd());
  const named = (owner: Account | undefined): Account | undefined =>
    users.find(({ uid }) => uid === owner?.uid);
  const clusterOwner = await ownerOf(pathsIn(dataDir).cluster);
  const account =
    named(clusterOwner) ??
    clusterOwner ??
    named(await ownerOf(dataDir)) ??
    RUN_AS_USERS.map((name) => users.find((user) => user.name === name)).find((user) => user !== undefined);
  if (account === undefined) {
    return refuse(
      'no_account',
      'Postgres refuses to run as root, and this computer has neither a user "postgres" nor "nobody" to run it.',
      'Start the allocator as an ordinary user, create one of these users, or set DATABASE_URL.',
    );
  }
  if (await canRun(account, ['-c', ':'], env)) return succeed(account);
  return refuse(
    'no_account',
    `Postgres refuses to run as root, and this process may not run programs as the user ${account.name} (its rights are restricted).`,
    'Start the allocator as an ordinary user (in a container: --user), or set DATABASE_URL.',
  );
}

/** The ordinary users in the text of /etc/passwd. */
export function parsePasswd(text: string): Account[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    const user = { name, uid: Number.parseInt(uid, 10), gid: Number.parseInt(gid, 10) };
    return user.uid > 0 && user.gid >= 0 ? [user] : [];
  });
}

/** Whether `account` can pass through a folder, as the system itself answers: modes are not the whole truth. */
export function canPass(account: Account | undefined, path: string, env: Record<string, string>) {
  return canRun(account, ['-c', 'test -x "$1"', 'sh', path], env);
}

async function canRun(
  account: Account | undefined,
  args: readonly string[],
  env: Record<string, string>,
): Promise<boolean> {
  const ran = await runProgram('/bin/sh', args, { env, account, timeoutMs: TEST_TIMEOUT_MS });
  return ran.code === 0;
}

async function ownerOf(path: string): Promise<Account | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined || info.uid === 0) return undefined;
  return { name: `number ${info.uid}`, uid: info.uid, gid: info.gid };
}
