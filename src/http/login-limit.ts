// Failed logins, slowed per address, per name and in total, so that passwords cannot be tried out. Knows no password.
import { createHash } from 'node:crypto';
import { Mutex } from 'async-mutex';
import { ProblemError } from '../contract/problems.ts';
import { createFailures, networkOf } from './failures.ts';

export type LoginClient = { readonly address: string; readonly userAgent: string };

/** Who wants to sign in. */
type Person = LoginClient & {
  readonly user: string;
  /** The configured admin does not wait for accounts, which the database has. */
  readonly isBuiltIn: boolean;
};

export type FailedLogin = {
  readonly address: string;
  readonly scheme: 'password' | 'token';
  /** In this window, from this address. */
  readonly failures: number;
  /** From now on attempts are refused without being looked at. */
  readonly isBlocked: boolean;
};

export type LoginLimit = {
  /** Whether this client was right before with this name. */
  readonly isKnown: (person: Omit<Person, 'isBuiltIn'>) => boolean;
  /** Throws `too_many_requests` where the client, the name or everybody together has failed too often; else what `look` says. */
  readonly password: <T>(person: Person, look: () => Promise<T | null>) => Promise<T | null>;
  /** The same for tokens; null is a failure. */
  readonly token: <T>(client: LoginClient, look: () => Promise<T | null>) => Promise<T | null>;
  readonly close: () => void;
};

const WINDOW_MS = 60_000;
/** Of one address, in a window. A person mistypes less often, and a program with an old password learns nothing by more. */
const PASSWORD_FAILURES = 10;
/** Of one name, from all addresses: then only clients that were right before are looked at. */
const ACCOUNT_FAILURES = 30;
/** VMs with tokens that are not valid any more share an address. */
const TOKEN_FAILURES = 60;
/** Of all addresses: then only clients that were right before are looked at. */
const FAILURES_IN_ALL = 100;
const KNOWN_CLIENTS = 500;

/** @param onFailure called for the first failure of an address in a window, and when it is blocked */
export function createLoginLimit(onFailure: (failure: FailedLogin) => void): LoginLimit {
  const counted = createFailures(WINDOW_MS);
  // Clients that were right once have failures of their own: a stranger behind the same address does not lock them out.
  const known = new Set<string>();
  const builtInOnes = new Mutex();
  const accounts = new Mutex();

  async function requireLeft(key: string, limit: number): Promise<void> {
    const seconds = await counted.waitSeconds(key, limit);
    if (seconds === 0) return;
    throw new ProblemError('too_many_requests', {
      detail: `Too many failed logins. Wait ${seconds} s, then try again.`,
      headers: { 'Retry-After': String(seconds) },
    });
  }

  async function attempt<T>(
    { address, scheme, key, account, isKnown, limit }: Attempt,
    look: () => Promise<T | null>,
  ): Promise<T | null> {
    if (!isKnown) await requireLeft('all', FAILURES_IN_ALL);
    if (!isKnown && account !== undefined) await requireLeft(account, ACCOUNT_FAILURES);
    await requireLeft(key, limit);
    const found = await look();
    if (found !== null) return found;
    await counted.count('all');
    if (account !== undefined) await counted.count(account);
    const failures = await counted.count(key);
    const isBlocked = failures >= limit;
    if (failures === 1 || isBlocked) onFailure({ address, scheme, failures, isBlocked });
    return null;
  }

  return {
    isKnown: (person) => known.has(clientOf(person)),
    // One by one, so that a thousand at once are not all looked at before the first failure is counted.
    password: ({ address, userAgent, user, isBuiltIn }, look) =>
      (isBuiltIn ? builtInOnes : accounts).runExclusive(async () => {
        const account = accountOf(user);
        const client = clientOf({ address, userAgent, user });
        const isKnown = known.has(client);
        const key = isKnown ? client : `password ${networkOf(address)}`;
        const limit = PASSWORD_FAILURES;
        const found = await attempt({ address, scheme: 'password', key, account, isKnown, limit }, look);
        if (found !== null && known.size < KNOWN_CLIENTS) known.add(client);
        return found;
      }),
    token: ({ address }, look) => {
      const key = `token ${networkOf(address)}`;
      return attempt({ address, scheme: 'token', key, isKnown: true, limit: TOKEN_FAILURES }, look);
    },
    close: counted.close,
  };
}

/** Of one name: an account gives nobody more tries at another one. */
function clientOf({ address, userAgent, user }: Omit<Person, 'isBuiltIn'>): string {
  return `password ${address} ${userAgent} ${accountOf(user)}`;
}

/** Names are as long as somebody likes. */
function accountOf(user: string): string {
  return `account ${createHash('sha256').update(user).digest('base64')}`;
}

type Attempt = Pick<FailedLogin, 'address' | 'scheme'> & {
  readonly key: string;
  /** The name that was given with a password. */
  readonly account?: string;
  readonly isKnown: boolean;
  readonly limit: number;
};
