// As whom Postgres runs. It refuses root, so a root process lends it a user that may do nothing else.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from './machine.ts';
import { CLUSTER_PATH } from './places.ts';
import { refuse, type Failure } from './problem.ts';
import { runProgram, type Account } from './run-program.ts';

/** Users that a root process may lend, in order of preference; `_postgres` is the one of macOS. */
const LENT_USERS = ['postgres', '_postgres', 'nobody'];
const TEST_TIMEOUT_MS = 10_000;

/** `account` is undefined where Postgres simply runs as the user of this process. */
export type AccountResult = { readonly ok: true; readonly account: Account | undefined } | Failure;

/**
 * Chooses the user. Not root: ourselves. Root: whoever owns the database that is there, or the data folder (so that it
 * can be started with and without sudo), unless that is root too, or a number without a name, which initdb refuses; then
 * `postgres`, or `nobody`.
 */
export async function chooseAccount(
  machine: Machine,
  dataDir: string,
  env: Record<string, string>,
): Promise<AccountResult> {
  if (machine.uid !== 0) return { ok: true, account: undefined };
  const users = parsePasswd(await machine.passwd());
  const clusterOwner = await ownerOf(join(dataDir, CLUSTER_PATH));
  const account =
    (clusterOwner && (named(clusterOwner.uid, users) ?? clusterOwner)) ??
    named((await ownerOf(dataDir))?.uid, users) ??
    LENT_USERS.map((name) => users.find((user) => user.name === name)).find((user) => user !== undefined);
  if (account === undefined) {
    return refuse(
      'Postgres refuses to run as root, and this machine has neither a user "postgres" nor "nobody" to run it as.',
      'Start the allocator as an ordinary user, make one of these users, or set DATABASE_URL.',
    );
  }
  return (await mayBecome(account, env)) ? { ok: true, account } : cannotBecome(account);
}

/** The ordinary users in the text of /etc/passwd. */
export function parsePasswd(text: string): Account[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    const user = { name, uid: Number.parseInt(uid, 10), gid: Number.parseInt(gid, 10) };
    return user.uid > 0 && user.gid >= 0 ? [user] : [];
  });
}

const named = (uid: number | undefined, users: readonly Account[]): Account | undefined =>
  users.find((user) => user.uid === uid);

async function ownerOf(path: string): Promise<Account | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined || info.uid === 0) return undefined;
  return { name: `number ${info.uid}`, uid: info.uid, gid: info.gid };
}

async function mayBecome(account: Account, env: Record<string, string>): Promise<boolean> {
  const tried = await runProgram('/bin/sh', ['-c', ':'], { env, account, timeoutMs: TEST_TIMEOUT_MS });
  return tried.code === 0;
}

function cannotBecome(account: Account): Failure {
  return refuse(
    `Postgres refuses to run as root, and this process may not run programs as the user ${account.name} (its rights are restricted).`,
    'Start the allocator as an ordinary user (in a container: --user), or set DATABASE_URL.',
  );
}

/** Asks the system itself whether `account` may pass through (`-x`) or write (`-w`) a path; modes do not tell all. */
export async function mayAccess(
  account: Account | undefined,
  flag: '-x' | '-w',
  path: string,
  env: Record<string, string>,
): Promise<boolean> {
  const tested = await runProgram('/bin/sh', ['-c', `test ${flag} "$1"`, 'sh', path], {
    env,
    account,
    timeoutMs: TEST_TIMEOUT_MS,
  });
  return tested.code === 0;
}
