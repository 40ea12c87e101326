// What is known of a launch while it runs, and how it comes to be known: machines that the engine tells of, that its state
// has, that were left over.
import type { LaunchSpec, ProvisionReport } from '../provider.ts';
import type { EngineFact } from './engine/facts.ts';
import { lastWords } from './engine/failure.ts';
import { reachOf } from './reach.ts';
import { redact } from './redact.ts';
import type { AwsSettings } from './settings.ts';
import type { Place, Surroundings } from './surroundings.ts';
import type { EarlyEngine, Work } from './work.ts';

export type Machine = LaunchSpec['vms'][number];

export type Launch = {
  readonly work: Work;
  readonly early: EarlyEngine;
  readonly settings: AwsSettings;
  readonly around: Surroundings;
  readonly spec: LaunchSpec;
  readonly report: ProvisionReport;
  /** By hostname: those that exist. */
  readonly made: Set<string>;
  /** By hostname: why they could not be made. */
  readonly refused: Map<string, string>;
  /** By id: shared parts that an interrupted run had left, and that were removed. */
  readonly swept: Set<string>;
};

/** What the engine tells, told on. */
export async function hear(
  { work, spec, report, made }: Launch,
  { instanceType }: Place,
  fact: EngineFact,
): Promise<void> {
  const { tell, site } = work;
  if (fact.kind === 'begun' && fact.doing === 'make')
    tell({ level: 'info', hostname: fact.hostname, text: 'Is being made.' });
  if (fact.kind === 'refused') {
    const text = lastWords(redact(fact.text, work.secrets));
    tell({ level: 'warning', hostname: fact.hostname, text: `Refused: ${text}` });
  }
  // What is said of a machine comes again as its refusal.
  if (fact.kind === 'said' && fact.hostname === null)
    tell({ level: fact.level, text: redact(fact.text, work.secrets) });
  if (fact.kind !== 'done' || fact.did !== 'make') return;
  const { hostname, instanceId, publicIp, seconds } = fact;
  const launchId = spec.operationId;
  const createdAt = new Date(site.now().getTime() - seconds * 1_000);
  if (instanceId !== null)
    site.recent.add({ hostname, instanceId, publicIp, launchId, instanceType, createdAt });
  made.add(hostname);
  await report.created(hostname, {
    ...reachOf(publicIp),
    provisioningSeconds: seconds,
    ...(instanceId !== null && { id: instanceId }),
    instanceType,
  });
}

/** Machines that the state has, whether their making was told of or not. */
export async function noteLiving(
  { spec, report, made }: Launch,
  machines: readonly { readonly hostname: string; readonly instanceId: string }[],
): Promise<void> {
  const wanted = new Set(spec.vms.map(({ hostname }) => hostname));
  for (const { hostname, instanceId } of machines) {
    if (!wanted.has(hostname) || made.has(hostname)) continue;
    made.add(hostname);
    await report.created(hostname, { ...reachOf(null), id: instanceId, provisioningSeconds: 0 });
  }
}

/** Machines of this launch that were left over and are ended. */
export async function noteLost(
  { spec, report, made, refused, work }: Launch,
  ended: readonly string[],
): Promise<void> {
  const ours = new Set(spec.vms.map(({ hostname }) => hostname));
  for (const hostname of ended) {
    made.delete(hostname);
    if (ours.has(hostname))
      refused.set(hostname, 'The engine died while the machine was being made; it was ended.');
    else await report.gone(hostname);
  }
  if (ended.length > 0) work.site.log.warn({ ended }, 'Machines of an interrupted launch were ended.');
}

export function missing({ spec, made }: Launch): Machine[] {
  return spec.vms.filter(({ hostname }) => !made.has(hostname));
}
