// A report of a provider that keeps what it is told.
import type { CreatedVm, ProvisionReport } from '../../src/provision/provider.ts';

type Recorded = ProvisionReport & {
  readonly createdVms: Map<string, CreatedVm>;
  readonly failures: Map<string, string>;
  readonly ended: string[];
  readonly keptVms: Map<string, string>;
  readonly texts: string[];
};

/** @param onCreated is called after each machine */
export function record(onCreated: () => void = () => undefined): Recorded {
  const createdVms = new Map<string, CreatedVm>();
  const failures = new Map<string, string>();
  const ended: string[] = [];
  const kept = new Map<string, string>();
  const texts: string[] = [];
  return {
    createdVms,
    failures,
    ended,
    keptVms: kept,
    texts,
    event: ({ text }) => void texts.push(text),
    created: (hostname, vm) => {
      createdVms.set(hostname, vm);
      onCreated();
      return Promise.resolve();
    },
    failed: (hostname, reason) => Promise.resolve(void failures.set(hostname, reason)),
    gone: (hostname) => Promise.resolve(void ended.push(hostname)),
    kept: (hostname, reason) => Promise.resolve(void kept.set(hostname, reason)),
  };
}
