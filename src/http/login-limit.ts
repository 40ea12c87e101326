// Failed logins, slowed per address and in total, so that passwords cannot be tried out. Knows no password.
import { Mutex } from 'async-mutex';
import { ProblemError } from '../contract/problems.ts';
import { createFailures, networkOf } from './failures.ts';

export type LoginClient = { readonly address: string; readonly userAgent: string };

export type FailedLogin = {
  readonly address: string;
  readonly scheme: 'password' | 'token';
  /** In this window, from this address. */
  readonly failures: number;
  /** From now on attempts are refused without being looked at. */
  readonly isBlocked: boolean;
};

export type LoginLimit = {
  /** Throws `too_many_requests` where the client, or everybody together, has failed too often; else what `look` says. */
  readonly password: (client: LoginClient, isRight: () => boolean) => Promise<boolean>;
  /** The same for tokens; null is a failure. */
  readonly token: <T>(client: LoginClient, look: () => Promise<T | null>) => Promise<T | null>;
  readonly close: () => void;
};

const WINDOW_MS = 60_000;
/** Of one address, in a window. A person mistypes less often, and a program with an old password learns nothing by more. */
const PASSWORD_FAILURES = 10;
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
  const oneByOne = new Mutex();

  async function requireLeft(key: string, limit: number): Promise<void> {
    const seconds = await counted.waitSeconds(key, limit);
    if (seconds === 0) return;
    throw new ProblemError('too_many_requests', {
      detail: `Too many failed logins. Wait ${seconds} s, then try again.`,
      headers: { 'Retry-After': String(seconds) },
    });
  }

  async function attempt<T>(
    { address, scheme, key, isKnown, limit }: Attempt,
    look: () => Promise<T | null>,
  ): Promise<T | null> {
    if (!isKnown) await requireLeft('all', FAILURES_IN_ALL);
    await requireLeft(key, limit);
    const found = await look();
    if (found !== null) return found;
    await counted.count('all');
    const failures = await counted.count(key);
    const isBlocked = failures >= limit;
    if (failures === 1 || isBlocked) onFailure({ address, scheme, failures, isBlocked });
    return null;
  }

  return {
    // One by one, so that a thousand at once are not all looked at before the first failure is counted.
    password: ({ address, userAgent }, isRight) =>
      oneByOne.runExclusive(async () => {
        const client = `password ${address} ${userAgent}`;
        const isKnown = known.has(client);
        const key = isKnown ? client : `password ${networkOf(address)}`;
        const look = (): Promise<true | null> => Promise.resolve(isRight() ? true : null);
        const found = await attempt(
          { address, scheme: 'password', key, isKnown, limit: PASSWORD_FAILURES },
          look,
        );
        if (found !== null && known.size < KNOWN_CLIENTS) known.add(client);
        return found !== null;
      }),
    token: ({ address }, look) => {
      const key = `token ${networkOf(address)}`;
      return attempt({ address, scheme: 'token', key, isKnown: true, limit: TOKEN_FAILURES }, look);
    },
    close: counted.close,
  };
}

type Attempt = Pick<FailedLogin, 'address' | 'scheme'> & {
  readonly key: string;
  readonly isKnown: boolean;
  readonly limit: number;
};
