// The shape of the configuration as the composition sees it. Durations are in milliseconds, sizes in bytes.
import type { Database } from './database.ts';

type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** Everything that can be set, read once at start and frozen. */
export type Config = Frozen<{
  server: {
    host: string;
    /** 0 takes any free port. */
    port: number;
    /** The origin that people and VMs use; undefined where only the listening address tells it (`listenUrl`). */
    publicUrl: string | undefined;
    /** Whether cookies are Secure: the public URL is https. */
    secureCookies: boolean;
    /** Express' "trust proxy": nobody, the number of proxies in front, or their addresses. */
    trustProxy: false | number | string[];
  };
  /** Absolute. */
  dataDir: string;
  database: Database;
  /** The channel of NOTIFY: a plain identifier of at most 63 bytes. */
  notifyChannel: string;
  /** Without a password, one is made at the first start (secrets.ts). */
  admin: { user: string; password: string | undefined };
  /** At least 32 characters; undefined: made at the first start (secrets.ts). */
  secretKey: string | undefined;
  provider: 'local' | 'aws' | 'external';
  vmAuth: 'open' | 'required';
  tokens: { registration: string | undefined; logForwarder: string | undefined };
  responseFaults: 'log' | 'throw';
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Both are usable as a part of a hostname. */
  deployment: { name: string; environment: string };
  pulumi: {
    backendUrl: string | undefined;
    passphrase: string | undefined;
    /** Of a key that encrypts instead of the passphrase. */
    secretsProvider: string | undefined;
    /** Holds bin/pulumi. */
    cliDir: string | undefined;
  };
  aws: {
    region: string | undefined;
    allocatorPublicIp: string | undefined;
    allocatorKeyName: string | undefined;
    cloudInitLogGroup: string | undefined;
    bucketName: string | undefined;
  };
  /** What a VM is and runs. */
  machine: {
    type: string | undefined;
    /** Instance types in the order in which they are tried; begins with `type`. */
    types: string[];
    agent: 'container' | 'lablink';
    diskGb: number;
    vpcId: string | undefined;
    /** Empty: those of the VPC. */
    subnetIds: string[];
    /** Who may reach machines over SSH; empty: the allocator's public address. */
    sshCidrs: string[];
    /** A machine lives on so long past the end of its fleet. */
    graceMinutes: number;
    logRetentionDays: number;
    image: string | undefined;
    amiId: string | undefined;
    repository: string | undefined;
    software: string | undefined;
  };
  download: {
    /** Without dots, in lower case; null: every file. */
    extensions: readonly string[] | null;
    /** Names of folders. */
    leftOut: readonly string[];
    /** Absolute. */
    folder: string;
    /** Undefined: the one that runs. `none`: no container. */
    container: string | undefined;
    sshUser: string;
    /** Machines of one download. */
    parallel: number;
    /** Downloads at once. */
    maxRunning: number;
    stallMs: number;
  };
  /** How launches go. */
  launch: {
    /** Where a launch says nothing; undefined = no end. */
    hours: number | undefined;
    /** A launch of more machines sends one ahead; undefined = none does. */
    canaryAbove: number | undefined;
    canaryLimitMs: number;
    allowPlainHttp: boolean;
  };
  startupScript: { enabled: boolean; path: string | undefined; onError: 'continue' | 'fail' };
  dns: {
    enabled: boolean;
    managed: boolean;
    domain: string | undefined;
    zoneId: string | undefined;
    createZone: boolean;
  };
  eip: { strategy: 'dynamic' | 'persistent'; tagName: string | undefined };
  ssl: { provider: string | undefined; email: string | undefined; staging: boolean };
  /** What participants read. */
  workshop: { title: string | undefined; instructions: string | undefined; contact: string | undefined };
  allocatorImageTag: string | undefined;
  limits: {
    vmsPerLaunch: number;
    codeLifetimeMs: number;
    /** After these, what goes on takes too long. */
    deadlines: { startMs: number; recycleMs: number; deliveryMs: number };
    /** A machine that sends heartbeats, and has sent none for so long, is unreachable. */
    silentAfterMs: number;
    logBytesPerVm: number;
    waitingVms: number;
    /** Undefined: polls have no end. */
    pollMaxSeconds: number | undefined;
    /** Of one address. */
    requestsPerMinute: number;
    databasePoolSize: number;
    shutdownGraceMs: number;
  };
  /** The config file that was read; relative paths in it start at `dir`. */
  file: { path: string; dir: string } | undefined;
}>;

/** Freezes a value and all that it holds. */
export function freezeDeeply<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  Object.values(value).forEach(freezeDeeply);
  return Object.freeze(value);
}
