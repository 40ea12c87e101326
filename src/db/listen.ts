// The one LISTEN connection of this process. It reconnects by itself; every connect says that something may have been
// missed. A NOTIFY that never comes back (PgBouncer in transaction mode) is found at start.
import pgListen, { type Subscriber } from 'pg-listen';

export type Listener = {
  /** False while the connection is away. */
  readonly connected: boolean;
  close(): Promise<void>;
};

export type ListenOptions = {
  readonly connectionString: string;
  readonly channel: string;
  /** A hint: this hostname may have something to fetch. */
  readonly onHostname: (hostname: string) => void;
  /** (Re)connected: something may have been missed. */
  readonly onConnected: () => void;
  readonly onError: (error: Error) => void;
};

export type ListenResult =
  | { readonly ok: true; readonly listener: Listener }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

/** How long a probe may take from NOTIFY to its arrival. */
const PROBE_TIMEOUT_MS = 5_000;
const RECONNECT_INTERVAL_MS = 500;
/** The connection is asked this often whether it is alive. */
const PARANOID_CHECK_MS = 15_000;
/** A server that does not answer within this is taken for lost: a dead network says nothing. */
const ANSWER_TIMEOUT_MS = 5_000;

/** Connects, listens, and proves that a notification comes back. Throws where the server cannot be reached at all. */
export async function listen(options: ListenOptions): Promise<ListenResult> {
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
      // Its close() does not end its tries to come back, and a throw does.
      retryInterval: () => {
        if (closed) throw new Error('The listener was closed.');
        return RECONNECT_INTERVAL_MS;
      },
      // For ever: the server serves what the rows say meanwhile, and health tells of it.
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
    // A try that was under way when it was closed.
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
  if (!(await probe(subscriber, options.channel))) {
    await close();
    return {
      ok: false,
      problem: 'Postgres accepted LISTEN, but a notification did not come back.',
      remedy:
        'A pooler in transaction mode (PgBouncer) is most likely in between: point DATABASE_URL at Postgres itself, or at a pool in session mode.',
    };
  }
  return {
    ok: true,
    listener: {
      get connected() {
        return connected;
      },
      close,
    },
  };
}

/** What is not JSON is none of ours. */
function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Payloads come from our own statements; anybody with access to the database may send others. */
function hostnameOf(payload: unknown): string | null {
  if (typeof payload !== 'object' || payload === null || !('HostName' in payload)) return null;
  return typeof payload.HostName === 'string' ? payload.HostName : null;
}

async function probe(subscriber: Subscriber, channel: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, PROBE_TIMEOUT_MS, false);
  const onArrival = (payload: unknown) => {
    if (typeof payload === 'object' && payload !== null && 'probe' in payload) resolve(true);
  };
  subscriber.notifications.on(channel, onArrival);
  try {
    await subscriber.notify(channel, { probe: true });
    return await promise;
  } finally {
    clearTimeout(timer);
    subscriber.notifications.removeListener(channel, onArrival);
  }
}
