// The limits of the HTTP adapter, each with its name and unit. Knows nothing but numbers.

export const defaultLimits = {
  /** Request line and headers together, of which cookies of other sites on the same domain may be most; more is 431. */
  headerBytes: 40_960,
  /** From the connection, or the end of the request before, to the end of the headers; longer is 408. */
  headersTimeoutMs: 20_000,
  /** To the end of the request's body; longer is 408. The answer may take as long as it likes. */
  requestTimeoutMs: 60_000,
  /** How often the two limits above are checked. */
  timeoutCheckMs: 5_000,
  /** How long an idle connection is kept; longer than the 60 s of common proxies. */
  idleConnectionMs: 65_000,
  /** TCP probes begin after this long without a byte, so that a dead peer is noticed. */
  tcpProbeMs: 60_000,
  connections: 20_000,
  /** Connections that the system accepts ahead of this process; beyond that it refuses them. Its own bound (Linux: somaxconn) may be lower. */
  connectionsAhead: 4_096,
  /** Of one connection that are not answered yet; browsers and agents send one. More cut the connection. */
  pipelinedRequests: 4,
  /** How often a stream of events sends a heartbeat. */
  heartbeatMs: 15_000,
  /** How long one of the contract's keep-alive seconds lasts. */
  keepAliveSecondMs: 1_000,
  /** How many bytes of a long poll its client may leave unread; more cuts the connection. */
  unreadSpacesBytes: 16_384,
  /** All bodies together, beyond the small part of each, until their requests are over; more is 503. */
  bodiesBytes: 67_108_864,
  /** This part of each body is not counted there. */
  smallBodyBytes: 4_096,
  /** Each takes up to its limit, a window of the encoding, and a thread of the four that files and names need too. */
  bodiesUnpackedAtOnce: 2,
  bodiesWaitingToUnpack: 200,
  /**
   * Requests of each kind that are served at once, and those that wait for their turn; more is 503. As many at once as a group of
   * claims has (db/free-vms.ts), and some more; as many waiting as are answered in a few seconds.
   */
  queues: {
    people: { atOnce: 100, waiting: 1_000 },
    machines: { atOnce: 100, waiting: 5_000 },
    admins: { atOnce: 50, waiting: 200 },
  },
  /** Entries of a list in a body, checked before the entries are. */
  listEntries: 10_000,
  /** Characters of each field that are shown again in a form. */
  typedCharacters: 8_192,
};

export type HttpLimits = Readonly<typeof defaultLimits>;
