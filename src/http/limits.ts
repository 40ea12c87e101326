// The limits of the HTTP adapter, each with its name and unit. Knows nothing but numbers.

export type HttpLimits = {
  /** Request line and headers together; more is 431. */
  readonly headerBytes: number;
  /** From the connection, or the end of the request before, to the end of the headers; longer is 408. */
  readonly headersTimeoutMs: number;
  /** To the end of the request's body; longer is 408. The answer may take as long as it likes. */
  readonly requestTimeoutMs: number;
  /** How often the two above are looked at. */
  readonly timeoutCheckMs: number;
  /** How long an idle connection is kept; longer than the 60 s of common proxies. */
  readonly idleConnectionMs: number;
  /** TCP probes begin after this long without a byte, so that a dead peer is noticed. */
  readonly tcpProbeMs: number;
  readonly connections: number;
  /** How long the rest of a refused body is still read, so that its sender gets to read the answer. */
  readonly lingerMs: number;
  /** How often a stream of events says that it is alive. */
  readonly heartbeatMs: number;
  /** What one of the contract's keep-alive seconds lasts. */
  readonly keepAliveSecondMs: number;
  /** What a client that waits may leave unread of the spaces; more cuts the connection. */
  readonly unreadSpacesBytes: number;
  /** Entries of a list in a body, checked before anything looks at them one by one. */
  readonly listEntries: number;
  /** What was typed into a field, where the form is shown again. */
  readonly typedCharacters: number;
};

export const defaultLimits: HttpLimits = {
  headerBytes: 16_384,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 60_000,
  timeoutCheckMs: 5_000,
  idleConnectionMs: 65_000,
  tcpProbeMs: 60_000,
  connections: 20_000,
  lingerMs: 2_000,
  heartbeatMs: 15_000,
  keepAliveSecondMs: 1_000,
  unreadSpacesBytes: 16_384,
  listEntries: 10_000,
  typedCharacters: 8_192,
};
