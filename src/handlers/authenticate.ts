// Identifies callers: the admin by password, VMs and other programs by bearer token. Comparisons take constant time.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Role } from '../contract/endpoint.ts';
import type { Caller } from '../contract/handlers.ts';
import type { Db } from '../db/connect.ts';
import { hasToken, hostnameOfToken } from '../db/registration.ts';
import { hashToken } from '../vms/token.ts';

export type Authenticator = {
  readonly isBuiltIn: (user: string) => boolean;
  readonly remembered: (user: string, password: string) => Promise<Role | null>;
  readonly basic: (user: string, password: string) => Promise<Role | null>;
  /** Null = unknown token. Throws during an outage of the database. */
  readonly bearer: (token: string) => Promise<Caller | null>;
  /** Whether the VM has a token. Throws during an outage of the database. */
  readonly hasToken: (hostname: string) => Promise<boolean>;
};

export type AuthenticatorOptions = {
  readonly db: Db;
  readonly admin: { readonly user: string; readonly password: string };
  readonly registrationToken: string | undefined;
  readonly forwarderToken: string | undefined;
  readonly metricsToken: string | undefined;
};

/** Longer tokens are rejected without hashing them. */
const TOKEN_MAX_LENGTH = 512;

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { db, admin, registrationToken, forwarderToken, metricsToken } = options;
  return {
    isBuiltIn: (user) => sameText(user, admin.user),
    remembered: () => Promise.resolve(null),
    basic: (user, password) => {
      const isUser = sameText(user, admin.user);
      return Promise.resolve(sameText(password, admin.password) && isUser ? 'admin' : null);
    },
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

/** Compares hashes, which have equal lengths, so that the time reveals nothing. */
export function sameText(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
