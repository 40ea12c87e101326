// The SDK: a typed client of the contract over fetch. Used by the agent, the tests and integrators alike; packed as
// JavaScript with types by `make sdk`. Knows the contract, and nothing of the server.
import createFetchClient, { type Client, type ClientOptions } from 'openapi-fetch';
import type { components, paths } from '../contract/openapi.gen.ts';

/** Schemas of the contract: `Schemas['Vm']`. */
export type Schemas = components['schemas'];
export type LablinkClient = Client<paths>;

/** A VM (or its forwarder, or a registrar) has a token, an admin a password; without either the client is anonymous. */
type Credentials =
  | { readonly token: string; readonly user?: never }
  | { readonly user: string; readonly password: string; readonly token?: never }
  | { readonly token?: never; readonly user?: never };

export type LablinkClientOptions = Credentials & {
  /** Where the allocator is, like `https://lab.example.org`. */
  readonly baseUrl: string;
  /** Proxies refuse programs that do not say what they are. */
  readonly userAgent?: string;
  /** In place of the global fetch. */
  readonly fetch?: NonNullable<ClientOptions['fetch']>;
};

/**
 * A client of one allocator. Answers are values, whatever their status: `{ data, error, response }`. Only a connection
 * that cannot be made, or is cut, throws.
 */
export function createLablinkClient(options: LablinkClientOptions): LablinkClient {
  return createFetchClient<paths>({
    baseUrl: options.baseUrl.replace(/\/+$/, ''),
    headers: {
      Accept: 'application/json, application/problem+json, */*;q=0.1',
      'User-Agent': options.userAgent ?? 'LabLink-Client/1.0',
      ...authorization(options),
    },
    ...(options.fetch && { fetch: options.fetch }),
  });
}

function authorization(credentials: Credentials): Record<string, string> {
  if (credentials.token !== undefined) return { Authorization: `Bearer ${credentials.token}` };
  if (credentials.user === undefined) return {};
  const pair = new TextEncoder().encode(`${credentials.user}:${credentials.password}`);
  return { Authorization: `Basic ${btoa(String.fromCharCode(...pair))}` };
}

/** Spread into a call whose body is a form: `client.POST('/api/request_vm', { body, ...asForm })`. */
export const asForm = {
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  bodySerializer: (fields: Readonly<Record<string, unknown>>): string => {
    const form = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === 'string') form.set(name, value);
      if (typeof value === 'number' || typeof value === 'boolean') form.set(name, String(value));
    }
    return form.toString();
  },
};
