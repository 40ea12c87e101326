// All that the AWS provider works with, composed once. Values and functions; no state but what it remembers of machines
// that were made a moment ago.
import type { Log } from '../../log.ts';
import type { Provider, ProvisionResult } from '../provider.ts';
import type { Cloud, CloudMachine } from './cloud.ts';
import type { SessionPatience } from './engine/session.ts';
import type { Parts } from './parts/parts.ts';
import type { AwsPlaces } from './places.ts';
import type { CloudFacts } from './remembered.ts';
import type { AwsSettings, NotSet } from './settings.ts';
import type { StatePlace } from './state-place.ts';
import type { Tools } from './tools.ts';

/** What our own records say of a machine that no state of the engine knows. */
export type Standing = {
  /** The launch that made it is one of ours. */
  readonly known: boolean;
  /** That launch did not come to its end, or is at work. */
  readonly interrupted: boolean;
  /** It came to its end without success: what it left may have been overlooked. */
  readonly failed: boolean;
  /** Somebody was given it. */
  readonly assigned: boolean;
};

export type AwsSite = {
  readonly places: AwsPlaces;
  readonly state: StatePlace;
  readonly tools: () => Promise<Tools>;
  readonly settings: () => Promise<AwsSettings | NotSet>;
  /** Where the configuration names one, whatever else it lacks. */
  readonly region: string | undefined;
  readonly graceMinutes: number;
  readonly cloud: (region: string) => Cloud;
  /** The same, of what it has just said. */
  readonly facts: (region: string) => CloudFacts;
  /** What machines share there. */
  readonly parts: (region: string) => Parts;
  readonly deployment: { readonly name: string; readonly environment: string };
  readonly uid: string;
  /** `ssh-ed25519 AAAA…` */
  readonly sshPublicKey: string;
  readonly forwarderToken: string;
  /** What the engine finds in its environment: ours, without what is the server's alone. */
  readonly env: Readonly<Record<string, string>>;
  readonly standing: (machines: readonly CloudMachine[]) => Promise<ReadonlyMap<string, Standing>>;
  readonly preflight: (
    settings: AwsSettings,
    wanted: { readonly numVms: number; readonly signal: AbortSignal },
  ) => Promise<ProvisionResult>;
  readonly rescheduleShutdown: NonNullable<Provider['rescheduleShutdown']>;
  readonly host: string;
  readonly now: () => Date;
  readonly limits: AwsLimits;
  readonly recent: RecentMachines;
  readonly log: Log;
};

/** All in milliseconds. */
export type AwsLimits = SessionPatience & {
  /** A lock of another computer is left over when it is so old. */
  readonly lockDeadAfterMs: number;
  /** Engines that an earlier process left are given so long to finish what is under way. */
  readonly earlierMs: number;
  /** EC2 lists what was made, and stops listing what was ended, with a delay. */
  readonly listDelayMs: number;
};

export const defaultLimits: AwsLimits = {
  loneMs: 60_000,
  endMs: 5_000,
  lockDeadAfterMs: 3 * 3_600_000,
  earlierMs: 60_000,
  listDelayMs: 120_000,
};

/** Machines that were made a moment ago: EC2 may not list them yet. */
export type RecentMachines = {
  add(machine: RecentMachine): void;
  remove(hostname: string): void;
  /** Those that were made within the delay. */
  list(): readonly RecentMachine[];
};

export type RecentMachine = {
  readonly hostname: string;
  readonly instanceId: string;
  readonly launchId: string;
  readonly publicIp: string | null;
  readonly instanceType: string | null;
  readonly createdAt: Date;
};

export function createRecentMachines(delayMs: number, now: () => Date): RecentMachines {
  const made = new Map<string, RecentMachine & { readonly at: number }>();
  return {
    add: (machine) => made.set(machine.hostname, { ...machine, at: now().getTime() }),
    remove: (hostname) => void made.delete(hostname),
    list: () => {
      const since = now().getTime() - delayMs;
      for (const [hostname, { at }] of made) if (at < since) made.delete(hostname);
      return [...made.values()];
    },
  };
}
