// What the provider of machines on AWS can besides: check before a launch, and tell machines over SSH when they end.
import type { Db } from '../db/connect.ts';
import { readReach, recordReach } from '../db/fleet.ts';
import type { Cloud } from '../provision/aws/cloud.ts';
import { createPreflight } from '../provision/aws/preflight.ts';
import { createRearm } from '../provision/aws/rearm.ts';
import type { Provider } from '../provision/provider.ts';

export type MoneyParts = {
  readonly db: Db;
  /** Of the allocator's own key pair. */
  readonly privateKey: string;
  readonly sshUser: string;
  /** What is undefined is told by the provider's own readiness; there is nothing to check before a launch then. */
  readonly cloud: Cloud | undefined;
  readonly allocatorUrl: string | undefined;
  readonly allowPlainHttp: boolean;
  readonly machineTypes: readonly string[];
  readonly amiId: string | undefined;
};

export function withMoney(provider: Provider, parts: MoneyParts): Provider {
  const { db, privateKey, sshUser, cloud, allocatorUrl, allowPlainHttp, machineTypes, amiId } = parts;
  const rearm = createRearm({
    reachOf: (hostname) => readReach(db, hostname),
    privateKey,
    defaultUser: sshUser,
    onHostKey: (hostname, sshHostKey) => recordReach(db, hostname, { sshHostKey }),
  });
  if (!cloud || allocatorUrl === undefined || amiId === undefined || machineTypes.length === 0)
    return { ...provider, rearm };
  const preflight = createPreflight({ cloud, allocatorUrl, allowPlainHttp, machineTypes, amiId });
  return { ...provider, rearm, preflight };
}
