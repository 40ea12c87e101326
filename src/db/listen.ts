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

/** Connects, listens, and proves that a notification comes back. Throws where the server cannot be reached at all. */
export async function listen(options: ListenOptions): Promise<ListenResult> {
  const subscriber: Subscriber = pgListen.default(
    { connectionString: options.connectionString, application_name: 'lablink listener' },
    {
      paranoidChecking: PARANOID_CHECK_MS,
      retryInterval: RECONNECT_INTERVAL_MS,
      // For ever: the server serves what the rows say meanwhile, and health tells of it.
      retryLimit: Number.POSITIVE_INFINITY,
      retryTimeout: Number.POSITIVE_INFINITY,
      parse: parsePayload,
    },
  );
  let connected = false;
  subscriber.events.on('connected', () => {
    connected = true;
    options.onConnected();
  });
  subscriber.events.on('reconnect', () => (connected = false));
  subscriber.events.on('error', (error) => {
    connected = false;
    options.onError(error);
  });
  subscriber.notifications.on(options.channel, (payload: unknown) => {
    const hostname = hostnameOf(payload);
    if (hostname !== null) options.onHostname(hostname);
  });
  await subscriber.connect();
  await subscriber.listenTo(options.channel);
  if (!(await probe(subscriber, options.channel))) {
    await subscriber.close();
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
      close: () => subscriber.close(),
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
