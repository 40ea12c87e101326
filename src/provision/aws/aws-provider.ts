// The provider of machines on AWS: the engine makes and ends them, the cloud's own API says what exists. Knows nothing of
// rows and pages.
import { access, mkdir, realpath } from 'node:fs/promises';
import type { ListedVm, Provider, ProvisionReport, ProvisionResult, VmPlan } from '../provider.ts';
import { succeed } from '../../result.ts';
import type { CloudMachine } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import { destroyAll, destroySome, destroyUnknown } from './destroy.ts';
import { endEarlierSessions } from './engine/session.ts';
import { failedResult, launchMachines } from './launch.ts';
import { readPlan } from './plan.ts';
import { reachOf } from './reach.ts';
import { mend } from './mend.ts';
import type { AwsSettings, NotSet } from './settings.ts';
import type { AwsSite } from './site.ts';
import { failureOf } from './surroundings.ts';
import { failedBy, withEngine, type Work } from './work.ts';

type Control = { readonly asked: AbortSignal; readonly forced: AbortSignal };
type Prepared = { readonly ok: true; readonly work: Work; readonly settings: AwsSettings | NotSet } | NotSet;

export function createAwsProvider(site: AwsSite): Provider {
  const whenReady = async (
    control: Control,
    told: Pick<ProvisionReport, 'event'>,
    secrets: readonly string[],
    run: (work: Work, settings: AwsSettings | NotSet) => Promise<ProvisionResult>,
  ): Promise<ProvisionResult> => {
    const prepared = await prepare(site, control, told, secrets);
    if (!prepared.ok) return failedResult({ kind: 'program', ...prepared });
    return run(prepared.work, prepared.settings);
  };
  return {
    name: 'aws',
    region: site.region,
    graceMinutes: site.graceMinutes,
    readiness: () => readiness(site),
    plan: (signal) => planOf(site, signal),
    preflight: async (wanted) => {
      const settings = await site.settings();
      return settings.ok ? site.preflight(settings, wanted) : failedResult({ kind: 'program', ...settings });
    },
    launch: (spec, report, asked, forced) =>
      whenReady(
        { asked, forced },
        report,
        spec.vms.map(({ token }) => token),
        async (work, settings) =>
          settings.ok
            ? launchMachines(work, settings, spec, report)
            : failedResult({ kind: 'program', ...settings }),
      ),
    destroy: async (hostnames, report, asked, forced) => {
      if (hostnames === 'all' && (await isUntouched(site)))
        return destroyUntouched(site, { asked, forced }, report);
      return whenReady({ asked, forced }, report, [], (work, settings) =>
        hostnames === 'all' ? destroyAll(work, report) : destroySome(work, settings, hostnames, report),
      );
    },
    list: () => list(site),
    repair: async (report, signal) => {
      if (await isUntouched(site)) return succeed();
      return whenReady({ asked: signal, forced: signal }, report, [], (work) => mendOnly(work, report));
    },
    rescheduleShutdown: site.rescheduleShutdown,
    restart: (hostname, signal) => restart(site, hostname, signal),
    terminate: (ids, signal) => inCloud(site, async (region) => site.cloud(region).terminate(ids, signal)),
    start: async () => {
      await mkdir(site.places.root, { recursive: true, mode: 0o700 }).catch(() => undefined);
      const runs = await realpath(site.places.runs).catch(() => null);
      if (runs === null) return;
      const ended = await endEarlierSessions(runs, site.limits.earlierMs);
      if (ended > 0) site.log.warn({ ended }, 'Processes of an earlier run of the engine were ended.');
    },
    stop: () => Promise.resolve(),
  };
}

async function planOf(site: AwsSite, signal: AbortSignal): Promise<VmPlan | null> {
  const settings = await site.settings();
  if (!settings.ok) return null;
  const { types, region, amiId } = settings;
  const facts = site.facts(region);
  // Whoever reads the page may launch next: what is looked at then is known by then.
  void Promise.allSettled([facts.describeTypes(types, signal), facts.image(amiId, signal)]);
  return readPlan(facts, { machineType: types[0], region }, signal);
}

async function readiness({ tools, settings }: AwsSite): Promise<ProvisionResult> {
  const [found, set] = await Promise.all([tools(), settings()]);
  if (!set.ok) return failedResult({ kind: 'program', ...set });
  return found.ok ? succeed() : failedResult({ kind: 'program', ...found });
}

/** The engine is needed for all of it; of the settings, the region. */
async function prepare(
  site: AwsSite,
  control: Control,
  told: Pick<ProvisionReport, 'event'>,
  secrets: readonly string[],
): Promise<Prepared> {
  const [tools, settings] = await Promise.all([site.tools(), site.settings()]);
  if (!tools.ok) return tools;
  const region = regionOf(site, settings);
  if (region === null) return settings.ok ? NO_REGION : settings;
  return { ok: true, work: workOf(site, region, tools.cliRoot, control, told, secrets), settings };
}

function workOf(
  site: AwsSite,
  region: string,
  cliRoot: string,
  { asked, forced }: Control,
  told: Pick<ProvisionReport, 'event'>,
  secrets: readonly string[],
): Work {
  return {
    site,
    settings: { region },
    cloud: site.cloud(region),
    cliRoot,
    asked,
    forced,
    tell: (event) => told.event(event),
    secrets: [...secrets, site.forwarderToken],
  };
}

const NO_REGION: NotSet = {
  ok: false,
  problem: 'The AWS region is not set.',
  remedy: 'Write app.region into the config file, and start the server again.',
};

/** What was launched can be ended also where the rest of the configuration is gone. */
function regionOf(site: AwsSite, settings: AwsSettings | NotSet): string | null {
  return settings.ok ? settings.region : (site.region ?? null);
}

/** Nothing was ever launched from here: there is no state. Unknown where the state is elsewhere. */
async function isUntouched({ state }: AwsSite): Promise<boolean> {
  if (state.stackFile === null) return false;
  return access(state.stackFile).then(
    () => false,
    () => true,
  );
}

/** Without a state the engine is not needed; the cloud may have machines of ours all the same. */
async function destroyUntouched(
  site: AwsSite,
  control: Control,
  report: ProvisionReport,
): Promise<ProvisionResult> {
  const region = regionOf(site, await site.settings());
  if (region === null || (await list(site)).length === 0) return succeed();
  return destroyUnknown(workOf(site, region, '', control, report, []), report);
}

async function list(site: AwsSite): Promise<readonly ListedVm[]> {
  const region = regionOf(site, await site.settings());
  const untouched = await isUntouched(site);
  if (region === null) {
    if (untouched) return [];
    throw new Error(NO_REGION.problem);
  }
  try {
    const listed = await site.cloud(region).listMachines();
    const living = listed.flatMap(listedMachine);
    const ids = new Set(listed.map(({ instanceId }) => instanceId));
    const recent = site.recent.list().filter(({ instanceId }) => !ids.has(instanceId));
    return [
      ...living,
      ...recent.map(({ hostname, instanceId, launchId, publicIp, instanceType, createdAt }) => ({
        hostname,
        id: instanceId,
        operationId: launchId,
        ssh: reachOf(publicIp),
        createdAt: createdAt,
        ...(instanceType !== null && { instanceType }),
      })),
    ];
  } catch (error) {
    // A server that never launched anything, and has no credentials yet, has no machines.
    if (untouched && error instanceof CloudError) return [];
    throw error;
  }
}

/** One that is ending is none any more: it costs nothing. */
function listedMachine(machine: CloudMachine): ListedVm[] {
  const { hostname, instanceId, launchId, state, publicIp, instanceType, launchedAt } = machine;
  if (hostname === null || state === 'shutting-down') return [];
  const found = { hostname, id: instanceId, operationId: launchId, instanceType, ssh: reachOf(publicIp) };
  return [launchedAt === null ? found : { ...found, createdAt: launchedAt }];
}

async function mendOnly(work: Work, report: ProvisionReport): Promise<ProvisionResult> {
  try {
    // Cheap, and the likeliest to fail: nothing is started before.
    await work.cloud.listMachines(work.forced);
  } catch (error) {
    return failedResult(failedBy(error).failure);
  }
  const mended = await withEngine(work, false, async (engine) => mend(work, engine, null));
  if (!mended.ok) return failedResult(mended.failure);
  for (const hostname of mended.value.ended) await report.gone(hostname);
  return succeed();
}

async function restart(site: AwsSite, hostname: string, signal: AbortSignal): Promise<ProvisionResult> {
  return inCloud(site, async (region) => {
    const cloud = site.cloud(region);
    const found = (await cloud.listMachines(signal)).find((machine) => machine.hostname === hostname);
    if (!found)
      throw new CloudError({ ...NOT_THERE, problem: `There is no machine ${hostname} on AWS.` }, 'NotFound');
    await cloud.reboot(found.instanceId, signal);
  });
}

const NOT_THERE = {
  kind: 'program',
  remedy: 'Look at the machines; one that has ended itself cannot be restarted.',
} as const;

async function inCloud(site: AwsSite, act: (region: string) => Promise<void>): Promise<ProvisionResult> {
  const region = regionOf(site, await site.settings());
  if (region === null) return failedResult({ kind: 'program', ...NO_REGION });
  try {
    await act(region);
    return succeed();
  } catch (error) {
    if (error instanceof CloudError) return failedResult(failureOf(error));
    throw error;
  }
}
