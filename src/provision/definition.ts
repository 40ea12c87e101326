// What a provider is and needs, told before its code is loaded: the configuration, the pages and the rules ask this table, never
// for a name. What an open provider can do (restart, prices, terminate …) are the members of `Provider`.
import type { Failure, Result } from '../result.ts';
import type { OpenProvider } from './provider.ts';

export type ProviderDefinition = {
  /** As `PROVIDER`, the API and the rows have it: lower-case letters, digits and dashes. */
  readonly name: string;
  /** Where its machines come from, for the documentation of `PROVIDER`. */
  readonly meaning: string;
  /** True for the one that is used where nothing is configured. */
  readonly isDefault?: boolean;
  /**
   * Whether it creates and destroys VMs. False for the one provider of VMs that start elsewhere and register; these may stand
   * beside the VMs of any other provider.
   */
  readonly creates: boolean;
  /** Its VMs are billed by the hour: launches get an end time, large ones begin with a canary, pages show costs. */
  readonly bills: boolean;
  /** Its VMs reach this server over a network that others can use, so they must send their tokens. */
  readonly needsTokens: boolean;
  /** A forwarder sends the logs of its VMs, and needs a token for that. */
  readonly needsLogForwarder: boolean;
  /** A VM that reports without a row is one of its VMs; otherwise, one that started elsewhere. */
  readonly ownsUnknownVms: boolean;
  /** Where a VM has its participant's files. */
  readonly files: FilesOfVms;
  /**
   * Why several allocators cannot use it with one database: what it keeps on the computer of one of them, as the end of a
   * sentence. Null = they can.
   */
  readonly whyNotShared: (config: SharingConfig) => string | null;
  /** What it has found when it lists no VM after a destroy: a sentence. */
  readonly proof: string;
  /** Loads its code, and returns the function that opens it. Not before it is used, because clients of clouds are large. */
  readonly load: () => Promise<(host: never) => OpenProvider | Promise<OpenProvider>>;
  /** Its part of `lablink setup`. */
  readonly setUp?: ProviderCommand<SetUp>;
  /** `lablink doctor`. */
  readonly doctor?: ProviderCommand<Doctor>;
  /** `lablink deploy` and `lablink destroy-deployment`. */
  /** What to do where its packages, which not every installation has, are missing. */
  readonly packagesRemedy?: string;
  readonly deploy?: ProviderCommand<Deploy>;
  readonly destroyDeployment?: ProviderCommand<Deploy>;
};

export type FilesOfVms =
  /** In a folder of its own, relative to the home of the SSH user. */
  | { readonly kind: 'own folder'; readonly folder: string }
  /** In the folder that the configuration names, on the VM or, for a container, in that. */
  | { readonly kind: 'configured folder' | 'configured container' };

type SharingConfig = {
  readonly pulumi: {
    readonly backendUrl: string | undefined;
    readonly passphrase: string | undefined;
    readonly secretsProvider: string | undefined;
  };
};

type ProviderCommand<Run> = {
  /** For the help text, line by line: what it does, and its options. */
  readonly usage: readonly string[];
  readonly load: () => Promise<Run>;
};

type Environment = Readonly<Record<string, string | undefined>>;

export type SetUp = (context: {
  readonly config: CommandConfig;
  /** Absolute. */
  readonly dataDir: string;
  /** For programs that are started: without our own variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly platform: { readonly os: string; readonly arch: string };
  readonly say: (line: string) => void;
}) => Promise<Result>;

/** Needs no set-up and no valid configuration: what is wrong with it is among the findings. */
export type Doctor = (
  args: readonly string[],
  config: Result<{ readonly config: CommandConfig }, readonly (Failure & { readonly key: string })[]>,
  env: Environment,
) => Promise<CommandAnswer>;

/** Creates, changes or ends an allocator of its own machine in the cloud. */
export type Deploy = (args: readonly string[], context: DeployContext) => Promise<CommandAnswer>;

export type DeployContext = {
  readonly config: CommandConfig;
  readonly dataDir: string;
  /** For programs that are started: without our own variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
  /** What an allocator with this environment and these files would have; or what is wrong, also a variable that it does not know. */
  readonly readSettings: (
    env: Readonly<Record<string, string>>,
    files: Readonly<Record<string, string>>,
  ) => Result<
    { readonly config: DeployedConfig; readonly secrets: readonly string[] },
    readonly (Failure & { readonly key: string })[]
  >;
  /** A secret that is made at the first call, in a file of this folder, which is made too. */
  readonly keptSecret: (
    folder: string,
    name: string,
  ) => Promise<Result<{ readonly value: string; readonly path: string }>>;
  /** Ctrl-C: what was begun is finished. */
  readonly cancelSignal: AbortSignal;
};

/** The part of the configuration of an allocator that its deployment depends on. */
type DeployedConfig = {
  readonly aws: { readonly region: string | undefined; readonly cloudInitLogGroup: string | undefined };
  readonly pulumi: { readonly backendUrl: string | undefined };
  readonly backup: { readonly place: string };
};

/** What a command prints, and how it exits. `usage`: it was called wrongly. */
export type CommandAnswer = { readonly text: string; readonly exit: 'ok' | 'failed' | 'usage' };

/** The part of the configuration that these commands use. */
export type CommandConfig = {
  readonly dataDir: string;
  readonly deployment: { readonly name: string };
  readonly admin: { readonly password: string | undefined };
  readonly aws: { readonly region: string | undefined };
  readonly pulumi: {
    readonly cliDir: string | undefined;
    readonly backendUrl: string | undefined;
    readonly passphrase: string | undefined;
    readonly secretsProvider: string | undefined;
  };
  readonly machine: { readonly type: string | undefined; readonly amiId: string | undefined };
  readonly server: {
    readonly publicUrl: string | undefined;
    readonly trustProxy: boolean | number | string | readonly string[];
  };
  readonly launch: { readonly allowPlainHttp: boolean };
};
