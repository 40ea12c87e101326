// What a provider gets when it is opened. `Config` is the part of the configuration that it uses.
import type { Db } from '../db/connect.ts';
import type { Log } from '../log.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';

export type ProviderHost<Config = unknown> = {
  readonly config: Config;
  /** Absolute. */
  readonly dataDir: string;
  readonly db: Db;
  readonly log: Log;
  /** For programs that are started: without our own variables. */
  readonly env: Readonly<Record<string, string>>;
  /** The name of this computer. */
  readonly hostName: string;
  readonly sshKey: SshKeyPair;
  /** If the provider needs a log forwarder, or one is configured. */
  readonly forwarderToken: string | undefined;
  /** Where VMs reach this server on its own computer; known when the server listens. */
  readonly listenUrl: () => string;
  /** The random name of this deployment, for tags. @param ofState that of an existing state; null = there is none */
  readonly deploymentUid: (ofState: string | null) => Promise<string>;
  /** A random secret that is made once and kept in the data folder. */
  readonly keptSecret: (name: string) => Promise<string>;
  /** In the place of limits of the provider, for tests. */
  readonly limits: Readonly<Record<string, number>>;
};
