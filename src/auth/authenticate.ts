// Identifies callers: admins and instructors by password, VMs and other programs by bearer token. Comparisons take constant time.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Role } from '../contract/endpoint.ts';
import type { Caller } from '../contract/handlers.ts';
import { findSignIn, noteSignIn, type SignIn } from '../db/accounts.ts';
import type { Db } from '../db/connect.ts';
import { hasToken, hostnameOfToken } from '../db/registration.ts';
import { hashToken } from '../vms/token.ts';
import { isPassword } from './passwords.ts';

export type Authenticator = {
  /** Whether this is the name of the configured admin, which no account can take. */
  readonly isBuiltIn: (user: string) => boolean;
  /**
   * Who has signed in with this password within the last minutes; null = nobody. It costs one small query, not a hash, which sees
   * at once what any allocator has changed. Throws during an outage of the database.
   */
  readonly remembered: (user: string, password: string) => Promise<Person | null>;
  /** Null = the name or the password is wrong. Throws during an outage, except for the configured admin. */
  readonly basic: (user: string, password: string) => Promise<Person | null>;
  /** Null = unknown token. Throws during an outage of the database. */
  readonly bearer: (token: string) => Promise<Caller | null>;
  /** Whether the VM has a token. Throws during an outage of the database. */
  readonly hasToken: (hostname: string) => Promise<boolean>;
};

/** The name as the account has it: it stands in the audit. */
type Person = { readonly user: string; readonly role: Role };

export type AuthenticatorOptions = {
  readonly db: Db;
  /** For accounts: the database connections of the other people, not those of machines. */
  readonly accounts: Db;
  readonly admin: { readonly user: string; readonly password: string };
  readonly registrationToken: string | undefined;
  readonly forwarderToken: string | undefined;
  readonly metricsToken: string | undefined;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
};

/** Longer tokens are rejected without hashing them. */
const TOKEN_MAX_LENGTH = 512;
/** How long a password that was right is not hashed again. */
const REMEMBERED_MS = 10 * 60_000;
/** Sign-ins that are remembered; the oldest are forgotten. */
const REMEMBERED_MAX = 500;

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { db, admin, registrationToken, forwarderToken, metricsToken } = options;
  return {
    ...signIns(options),
    isBuiltIn: (user) => sameText(user, admin.user),
    bearer: async (token) => {
      if (token.length > TOKEN_MAX_LENGTH) return null;
      if (registrationToken !== undefined && sameText(token, registrationToken)) return { kind: 'registrar' };
      if (forwarderToken !== undefined && sameText(token, forwarderToken)) return { kind: 'forwarder' };
      if (metricsToken !== undefined && sameText(token, metricsToken)) return { kind: 'monitor' };
      const hostname = await hostnameOfToken(db, hashToken(token));
      return hostname === null ? null : { kind: 'vm', hostname };
    },
    hasToken: (hostname) => hasToken(db, hostname),
  };
}

function signIns({
  accounts,
  admin,
  nowMs,
}: AuthenticatorOptions): Pick<Authenticator, 'remembered' | 'basic'> {
  const known = new Map<string, { readonly hash: string; readonly untilMs: number }>();
  const key = randomBytes(32);
  const keyOf = (user: string, password: string): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([user, password]))
      .digest('base64');

  /** The account, where its password is the one that was right. */
  async function remembered(user: string, password: string): Promise<SignIn | null> {
    const given = keyOf(user, password);
    const seen = known.get(given);
    if (seen === undefined) return null;
    const account = seen.untilMs > nowMs() ? await findSignIn(accounts, user) : null;
    if (account?.hash === seen.hash) return account;
    known.delete(given);
    return null;
  }

  function remember(given: string, { hash }: SignIn): void {
    const [oldest] = known.keys();
    if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest);
    known.set(given, { hash, untilMs: nowMs() + REMEMBERED_MS });
  }

  /** Null for the name of the configured admin, in whatever case: no account can take it. */
  async function find(user: string): Promise<SignIn | null> {
    const isReserved = user.toLowerCase() === admin.user.toLowerCase();
    return isReserved || user.length > NAME_MAX_LENGTH ? null : findSignIn(accounts, user);
  }

  return {
    remembered: async (user, password) => personOf(await remembered(user, password)),
    basic: async (user, password) => {
      const isUser = sameText(user, admin.user);
      if (sameText(password, admin.password) && isUser) return { user: admin.user, role: 'admin' };
      // Another request may have waited for the same hash.
      const before = await remembered(user, password);
      if (before !== null) return personOf(before);
      const account = await find(user);
      if (!(await isPassword(password, account?.hash ?? null)) || account === null) return null;
      remember(keyOf(user, password), account);
      await noteSignIn(accounts, account.name);
      return personOf(account);
    },
  };
}

const NAME_MAX_LENGTH = 64;

function personOf(account: SignIn | null): Person | null {
  return account && { user: account.name, role: account.role };
}

/** Compares hashes, which have equal lengths, so that the time reveals nothing. */
export function sameText(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
