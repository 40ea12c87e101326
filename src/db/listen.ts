// The LISTEN connection of this process. It reconnects by itself; after each connect, notifications may have been lost.
// A connection that gets no notifications is detected at the start.
import { sql } from 'kysely';
import pgListen, { type Subscriber } from 'pg-listen';
import { isAborted, sleep } from '../async/abort.ts';
import { withTimeLimit } from '../async/time-limit.ts';
import { succeed, type Result } from '../result.ts';
import type { Db } from './connect.ts';
import { otherDatabase } from './pooler.ts';

export type Listener = {
  /** False while there is no connection. */
  readonly connected: boolean;
  close(): Promise<void>;
};

/** A hint; the rows are the truth. */
export type Notice =
  /** This VM may have a command to fetch. */
  | { readonly kind: 'command'; readonly hostname: string }
  /** A poll of this VM waits at this allocator: an older one, at another allocator, does not any more. */
  | { readonly kind: 'poll'; readonly hostname: string; readonly allocator: string };

export type ListenOptions = {
  readonly connectionString: string;
  readonly channel: string;
  /** For the probe: a pooler would deliver a notification of our own connection to ourselves. */
  readonly db: Db;
  readonly onNotice: (notice: Notice) => void;
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
  const ending = new AbortController();
  const subscriber = createSubscriber(options, ending.signal);
  let connected = false;
  const close = async (): Promise<void> => {
    ending.abort();
    await subscriber.close();
  };
  subscriber.events.on('connected', () => {
    // close() was called during a reconnect.
    if (ending.signal.aborted) return void subscriber.close();
    connected = true;
    options.onConnected();
  });
  const listenAgain = async (): Promise<void> => {
    while (!connected && !isAborted(ending.signal)) {
      try {
        // Without a pause in between: a reconnect listens to what is subscribed at that moment.
        subscriber.unlisten(options.channel)?.catch(() => undefined);
        await subscriber.listenTo(options.channel);
        connected = true;
        options.onConnected();
      } catch {
        // Reported once; until it works, the health check shows it.
        await sleep(RECONNECT_INTERVAL_MS, ending.signal);
      }
    }
  };
  subscriber.events.on('reconnect', () => (connected = false));
  subscriber.events.on('error', (error) => {
    connected = false;
    if (ending.signal.aborted) return;
    options.onError(error);
    // Connected, but to a standby, where LISTEN fails: pg-listen keeps the connection, and would not try again.
    void listenAgain();
  });
  subscriber.notifications.on(options.channel, (payload: unknown) => {
    const notice = readNotice(payload);
    if (notice !== null) options.onNotice(notice);
  });
  await subscriber.connect();
  await subscriber.listenTo(options.channel);
  if (!(await probe(subscriber, options))) {
    await close();
    return otherDatabase;
  }
  return succeed({
    get connected() {
      return connected;
    },
    close,
  });
}

function createSubscriber({ connectionString }: ListenOptions, ending: AbortSignal): Subscriber {
  return pgListen.default(
    {
      connectionString,
      application_name: 'lablink listener',
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    },
    {
      paranoidChecking: PARANOID_CHECK_MS,
      // close() does not stop its reconnecting; throwing here does.
      retryInterval: () => {
        if (ending.aborted) throw new Error('The listener was closed.');
        return RECONNECT_INTERVAL_MS;
      },
      // Forever: meanwhile the rows are read on a timer, and the health check reports the lost connection.
      retryLimit: Number.POSITIVE_INFINITY,
      retryTimeout: Number.POSITIVE_INFINITY,
      parse: parsePayload,
    },
  );
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
function readNotice(payload: unknown): Notice | null {
  if (typeof payload !== 'object' || payload === null) return null;
  if ('HostName' in payload && typeof payload.HostName === 'string')
    return { kind: 'command', hostname: payload.HostName };
  if (!('PolledAgain' in payload && 'At' in payload)) return null;
  const { PolledAgain: hostname, At: allocator } = payload;
  if (typeof hostname !== 'string' || typeof allocator !== 'string') return null;
  return { kind: 'poll', hostname, allocator };
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
