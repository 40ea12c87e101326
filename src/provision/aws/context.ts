// Everything the AWS provider works with, composed once at the start of the server.
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import type { Place } from '../../db/identity.ts';
import type { KnownOperation } from '../../db/operations.ts';
import type { VmRow } from '../../db/vm-rows.ts';
import type { Result } from '../../result.ts';
import type { Provider, ProvisionFailure, ProvisionResult } from '../provider.ts';
import type { CloudFacts } from './cached-facts.ts';
import type { Cloud } from './cloud.ts';
import type { EngineContext, EngineLimits } from '../engine/run.ts';
import type { OwnerStore } from './state-owner.ts';
import type { AwsSettings } from './settings.ts';
import type { SharedResources } from './shared-resources/shared-resources.ts';
import type { Tools } from '../engine/tools.ts';

export type AwsContext = EngineContext & {
  readonly folders: AwsFolders;
  readonly findTools: () => Promise<Tools>;
  readonly readSettings: () => Promise<Result<AwsSettings, ProvisionFailure>>;
  /** The configured region, also if other settings are missing. */
  readonly region: string | undefined;
  readonly graceMinutes: number;
  /** The functions that take a region return the same client each time. */
  readonly cloud: (region: string) => Cloud;
  readonly cachedFacts: (region: string) => CloudFacts;
  readonly sharedResources: (region: string) => SharedResources;
  readonly deployment: { readonly name: string; readonly environment: string };
  readonly uid: string;
  /** `ssh-ed25519 AAAA…` */
  readonly sshPublicKey: string;
  readonly forwarderToken: string;
  /** What the database knows. */
  readonly records: () => Promise<{
    readonly rows: readonly VmRow[];
    readonly operations: ReadonlyMap<string, KnownOperation>;
  }>;
  /** Where the last launch was, as the database has it. */
  readonly place: {
    read(): Promise<(Place & { readonly hasVms: boolean }) | null>;
    record(place: Place): Promise<void>;
  };
  readonly owner: OwnerStore;
  readonly preflight: (
    settings: AwsSettings,
    wanted: { readonly numVms: number; readonly signal: AbortSignal },
  ) => Promise<ProvisionResult>;
  readonly rescheduleShutdown: NonNullable<Provider['rescheduleShutdown']>;
  readonly limits: AwsLimits;
  readonly recentMachines: RecentMachines;
  readonly log: Log;
};

export type AwsFolders = {
  readonly root: string;
  /** Pulumi's state, unless a backend URL is configured. */
  readonly state: string;
  /** The folders of the engine's sessions. */
  readonly runs: string;
  /** Pulumi's own folder, with its plugins. */
  readonly pulumiHome: string;
  /** Where `lablink setup` installs the CLI. */
  readonly cli: string;
  /** Node's compile cache for the modules of the child process, unless this process has one. */
  readonly compileCache: string;
};

/** @param dataDir absolute, without symbolic links */
export function awsFolders(dataDir: string): AwsFolders {
  const root = join(dataDir, 'aws');
  return {
    root,
    state: join(root, 'state'),
    runs: join(root, 'runs'),
    pulumiHome: join(root, 'pulumi-home'),
    cli: join(root, 'pulumi'),
    compileCache: join(root, 'compile-cache'),
  };
}

/** All in milliseconds. */
export type AwsLimits = EngineLimits & {
  /** How long Pulumi processes of an earlier server process may take to finish. */
  readonly earlierSessionsMs: number;
  /** How long EC2 may take to list new instances, and to stop listing terminated ones. */
  readonly listDelayMs: number;
  /** Before the one more round after a refusal that passes. */
  readonly retryPauseMs: number;
};

export const defaultLimits: AwsLimits = {
  orphanedEngineMs: 60_000,
  childExitMs: 5_000,
  lockStaleMs: 3 * 3_600_000,
  earlierSessionsMs: 60_000,
  listDelayMs: 120_000,
  retryPauseMs: 20_000,
};

/** Machines that were created a moment ago: EC2 may not list them yet. */
export type RecentMachines = {
  add(machine: RecentMachine): void;
  remove(hostname: string): void;
  list(): readonly RecentMachine[];
};

type RecentMachine = {
  readonly hostname: string;
  readonly instanceId: string;
  readonly launchId: string;
  readonly address: string | null;
  readonly instanceType: string | null;
  readonly createdAt: Date;
};

export function createRecentMachines(delayMs: number, now: () => Date): RecentMachines {
  const recent = new Map<string, RecentMachine & { readonly addedMs: number }>();
  return {
    add: (machine) => recent.set(machine.hostname, { ...machine, addedMs: now().getTime() }),
    remove: (hostname) => void recent.delete(hostname),
    list: () => {
      const since = now().getTime() - delayMs;
      for (const [hostname, { addedMs }] of recent) if (addedMs < since) recent.delete(hostname);
      return [...recent.values()];
    },
  };
}
