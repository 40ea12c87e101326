// The LISTEN connection of this process. It reconnects by itself; after each connect, notifications may have been lost.
// A server that never delivers notifications (PgBouncer in transaction mode) is detected at the start.
import { sql } from 'kysely';
import pgListen, { type Subscriber } from 'pg-listen';
import { withTimeLimit } from '../async/time-limit.ts';
import { succeed, type Result } from '../result.ts';
import type { Db } from './connect.ts';
import { poolerFailure } from './pooler.ts';

export type Listener = {
  /** False while there is no connection. */
  readonly connected: boolean;
  close(): Promise<void>;
};

export type ListenOptions = {
  readonly connectionString: string;
  readonly channel: string;
  /** For the probe: a pooler would deliver a notification of our own connection to ourselves. */
  readonly db: Db;
  /** A hint: this VM may have a command to fetch. */
  readonly onHostname: (hostname: string) => void;
  /** (Re)connected: notifications may have been lost. */
  readonly onConnected: () => void;
  readonly onError: (error: Error) => void;
};

/** How long a notification may take at the start. */
const PROBE_TIMEOUT_MS = 5_000;
const RECONNECT_INTERVAL_MS = 500;
/** How often the connection is checked. */
const PARANOID_CHECK_MS = 15_000;
/** A connection without an answer for this long counts as lost. */
const ANSWER_TIMEOUT_MS = 5_000;

/** Connects, listens, and checks that a notification arrives. Throws if the server cannot be reached. */
export async function listen(options: ListenOptions): Promise<Result<Listener>> {
  let closed = false;
  const subscriber: Subscriber = pgListen.default(
    {
      connectionString: options.connectionString,
      application_name: 'lablink listener',
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    },
    {
      paranoidChecking: PARANOID_CHECK_MS,
      // close() does not stop its reconnecting; throwing here does.
      retryInterval: () => {
        if (closed) throw new Error('The listener was closed.');
        return RECONNECT_INTERVAL_MS;
      },
      // Forever: meanwhile the rows are read on a timer, and the health check reports the lost connection.
      retryLimit: Number.POSITIVE_INFINITY,
      retryTimeout: Number.POSITIVE_INFINITY,
      parse: parsePayload,
    },
  );
  let connected = false;
  const close = async (): Promise<void> => {
    closed = true;
    await subscriber.close();
  };
  subscriber.events.on('connected', () => {
    // close() was called during a reconnect.
    if (closed) return void subscriber.close();
    connected = true;
    options.onConnected();
  });
  subscriber.events.on('reconnect', () => (connected = false));
  subscriber.events.on('error', (error) => {
    connected = false;
    if (!closed) options.onError(error);
  });
  subscriber.notifications.on(options.channel, (payload: unknown) => {
    const hostname = hostnameOf(payload);
    if (hostname !== null) options.onHostname(hostname);
  });
  await subscriber.connect();
  await subscriber.listenTo(options.channel);
  if (!(await probe(subscriber, options))) {
    await close();
    return poolerFailure;
  }
  return succeed({
    get connected() {
      return connected;
    },
    close,
  });
}

/** Null for a payload that is not JSON: it is not ours. */
function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Other users of the database can send anything. */
function hostnameOf(payload: unknown): string | null {
  if (typeof payload !== 'object' || payload === null || !('HostName' in payload)) return null;
  return typeof payload.HostName === 'string' ? payload.HostName : null;
}

async function probe(
  subscriber: Subscriber,
  { channel, db }: Pick<ListenOptions, 'channel' | 'db'>,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onArrival = (payload: unknown) => {
    if (typeof payload === 'object' && payload !== null && 'probe' in payload) resolve(true);
  };
  subscriber.notifications.on(channel, onArrival);
  try {
    await sql`select pg_notify(${channel}, ${JSON.stringify({ probe: true })})`.execute(db);
    return await withTimeLimit(
      PROBE_TIMEOUT_MS,
      () => promise,
      () => false,
    );
  } finally {
    subscriber.notifications.removeListener(channel, onArrival);
  }
}
