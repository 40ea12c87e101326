// The AWS provider: Pulumi creates and destroys machines, and the EC2 API says which machines exist.
import { access, mkdir, realpath } from 'node:fs/promises';
import { fail, succeed, type Result } from '../../result.ts';
import type {
  LaunchSpec,
  ListedVm,
  VmPlan,
  OpenProvider,
  ProvisionFailure,
  ProvisionReport,
  ProvisionResult,
} from '../provider.ts';
import { sshAccess, type Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import type { AwsContext } from './context.ts';
import { destroyAll, destroyOutsideState, destroySome, terminateByName } from './destroy.ts';
import { failureOf, type EngineRun } from './engine-run.ts';
import type { RunFailure } from '../engine/failure.ts';
import { createRedact, withEngine } from '../engine/run.ts';
import { endEarlierSessions } from '../engine/session.ts';
import { launchMachines } from './launch.ts';
import { checkOwner, checkPlace, recordPlaceOfLaunch, regionOfMachines } from './place.ts';
import { readPlan } from './plan.ts';
import { AWS_PULUMI, pluginEnvironment } from './pulumi.ts';
import { repairState } from './repair-state.ts';
import {
  ensureReadableState,
  findUnreadableState,
  forgetUnreadableState,
  warnOfUnreadableState,
} from './restore-state.ts';
import type { AwsSettings } from './settings.ts';
import { listedVm } from './world.ts';

type RunResult = Result<undefined, RunFailure>;
type Signals = Pick<EngineRun, 'cancelSignal' | 'killSignal'>;
type Settings = Result<AwsSettings, ProvisionFailure>;
type Prepared = { readonly run: EngineRun; readonly settings: Settings };

export function createAwsProvider(context: AwsContext): OpenProvider {
  return {
    region: context.region,
    graceMinutes: context.graceMinutes,
    readiness: () => checkReadiness(context),
    plan: (signal) => planMachines(context, signal),
    preflight: (wanted) => preflight(context, wanted),
    launch: (spec, report, cancelSignal, killSignal) =>
      launch(context, { cancelSignal, killSignal }, spec, report),
    destroy: (hostnames, report, cancelSignal, killSignal) =>
      destroy(context, { cancelSignal, killSignal }, hostnames, report),
    list: () => list(context),
    listForeign: () => listForeign(context),
    listDelayMs: context.limits.listDelayMs,
    adopt: (id, signal) => withCloud(context, (cloud) => cloud.adopt(id, signal)),
    repair: (report, signal) => repair(context, signal, report),
    rescheduleShutdown: context.rescheduleShutdown,
    restart: (hostname, signal) => withCloud(context, (cloud) => restart(cloud, hostname, signal)),
    terminate: (ids, signal) => withCloud(context, (cloud) => cloud.terminate(ids, signal)),
    start: async () => {
      await mkdir(context.folders.root, { recursive: true, mode: 0o700 }).catch(() => undefined);
      const runs = await realpath(context.folders.runs).catch(() => null);
      if (runs === null) return;
      const killed = await endEarlierSessions(runs, context.limits.earlierSessionsMs);
      if (killed > 0) context.log.warn({ killed }, 'Pulumi processes of an earlier run were killed.');
    },
    stop: () => Promise.resolve(),
  };
}

async function launch(
  context: AwsContext,
  signals: Signals,
  spec: LaunchSpec,
  report: ProvisionReport,
): Promise<RunResult> {
  const tokens = spec.vms.map(({ token }) => token);
  const prepared = await prepare(context, signals, report, tokens);
  if (!prepared.ok) return prepared;
  const { run, settings } = prepared.value;
  if (!settings.ok) return settings;
  const { value } = settings;
  return attempt(async () => {
    const owned = await checkOwner(context);
    const placed = owned.ok ? await checkPlace(context, value, run.region) : owned;
    if (!placed.ok) return placed;
    const readable = await ensureReadableState(run);
    if (!readable.ok) return readable;
    await recordPlaceOfLaunch(context, run.region);
    return launchMachines(run, value, spec, report);
  });
}

async function preflight(
  context: AwsContext,
  wanted: { readonly numVms: number; readonly signal: AbortSignal },
): Promise<ProvisionResult> {
  const settings = await context.readSettings();
  if (!settings.ok) return settings;
  return attempt(async () => {
    const region = await regionOfMachines(context, settings.value.region);
    const placed = await checkPlace(context, settings.value, region ?? settings.value.region);
    return placed.ok ? context.preflight(settings.value, wanted) : placed;
  });
}

/** What AWS or the file system refuses becomes a failure. */
async function attempt<T>(work: () => Promise<Result<T, RunFailure>>): Promise<Result<T, RunFailure>> {
  try {
    return await work();
  } catch (error) {
    return failureOf(error);
  }
}

async function destroy(
  context: AwsContext,
  signals: Signals,
  hostnames: readonly string[] | 'all',
  report: ProvisionReport,
): Promise<RunResult> {
  if (hostnames === 'all' && (await hasNoState(context)))
    return destroyWithoutState(context, signals, report);
  const prepared = await prepare(context, signals, report);
  if (!prepared.ok) return prepared;
  const { run } = prepared.value;
  return attempt(async () => {
    const owned = await checkOwner(context);
    // Machines of ours can be ended without a state that is not ours.
    if (!owned.ok) return hostnames === 'all' ? destroyOutsideState(run, report) : owned;
    const unreadable = await findUnreadableState(run);
    if (unreadable === null)
      return hostnames === 'all' ? destroyAll(run, report) : destroySome(run, hostnames, report);
    warnOfUnreadableState(run, unreadable);
    if (hostnames !== 'all') return terminateByName(run, hostnames, report);
    const destroyed = await destroyOutsideState(run, report);
    if (destroyed.ok && (await list(context)).length === 0) await forgetUnreadableState(run, unreadable);
    return destroyed;
  });
}

async function repair(context: AwsContext, signal: AbortSignal, report: ProvisionReport): Promise<RunResult> {
  if (await hasNoState(context)) return succeed();
  const prepared = await prepare(context, { cancelSignal: signal, killSignal: signal }, report);
  if (!prepared.ok) return prepared;
  const { run } = prepared.value;
  try {
    // The cheapest request, and the one that fails most often: nothing is started before it succeeds.
    await run.cloud.listMachines(run.killSignal);
    const owned = await checkOwner(context);
    if (!owned.ok) return owned;
  } catch (error) {
    return failureOf(error);
  }
  const readable = await ensureReadableState(run);
  if (!readable.ok) return readable;
  const repaired = await withEngine(run, (engine) => repairState(run, engine, null));
  if (!repaired.ok) return repaired;
  for (const hostname of repaired.value.terminated) await report.gone(hostname);
  return succeed();
}

async function planMachines(context: AwsContext, signal: AbortSignal): Promise<VmPlan | null> {
  const settings = await context.readSettings();
  if (!settings.ok) return null;
  const { types, region, amiId } = settings.value;
  const facts = context.cachedFacts(region);
  // A launch may follow: its checks find the answers in the cache.
  void Promise.allSettled([facts.describeTypes(types, signal), facts.image(amiId, signal)]);
  return readPlan(facts, { machineType: types[0], region }, signal);
}

async function checkReadiness({ findTools, readSettings }: AwsContext): Promise<ProvisionResult> {
  const [tools, settings] = await Promise.all([findTools(), readSettings()]);
  if (!settings.ok) return settings;
  return tools.ok ? succeed() : tools;
}

/** Every run needs Pulumi and the region; only some need the other settings. */
async function prepare(
  context: AwsContext,
  signals: Signals,
  report: ProvisionReport,
  tokens: readonly string[] = [],
): Promise<Result<Prepared, RunFailure>> {
  const [tools, settings] = await Promise.all([context.findTools(), context.readSettings()]);
  if (!tools.ok) return tools;
  return attempt(async () => {
    const region = await regionOf(context, settings);
    if (region === null) return settings.ok ? fail(NO_REGION) : settings;
    const run = createRun(context, region, tools.value.cliRoot, signals, report, tokens);
    return succeed({ run, settings });
  });
}

function createRun(
  context: AwsContext,
  region: string,
  cliRoot: string,
  signals: Signals,
  report: ProvisionReport,
  tokens: readonly string[] = [],
): EngineRun {
  return {
    ...signals,
    context,
    region,
    cliRoot,
    pulumi: AWS_PULUMI,
    pluginEnv: pluginEnvironment(region),
    cloud: context.cloud(region),
    emit: (event) => report.event(event),
    redact: createRedact([...tokens, context.forwarderToken, context.backend.passphrase]),
  };
}

const NO_REGION: ProvisionFailure = {
  code: 'program',
  message: 'The AWS region is not set.',
  remedy: 'Set app.region in the config file, then restart the server.',
};

/** Machines can be listed and destroyed even if other settings are missing. Throws CloudError. */
function regionOf(context: AwsContext, settings: Settings): Promise<string | null> {
  return regionOfMachines(context, settings.ok ? settings.value.region : context.region);
}

/** True if nothing was ever launched from here. Always false if the state is not on this disk. */
async function hasNoState({ backend }: AwsContext): Promise<boolean> {
  if (backend.stackFile === null) return false;
  return access(backend.stackFile).then(
    () => false,
    () => true,
  );
}

/** Pulumi is not needed without a state, but AWS may have machines of ours. */
async function destroyWithoutState(
  context: AwsContext,
  signals: Signals,
  report: ProvisionReport,
): Promise<RunResult> {
  return attempt(async () => {
    const region = await regionOf(context, await context.readSettings());
    if (region === null || (await list(context)).length === 0) return succeed();
    return destroyOutsideState(createRun(context, region, '', signals, report), report);
  });
}

async function list(context: AwsContext): Promise<readonly ListedVm[]> {
  const neverLaunched = await hasNoState(context);
  try {
    const region = await regionOf(context, await context.readSettings());
    if (region === null) {
      if (neverLaunched) return [];
      throw new Error(NO_REGION.message);
    }
    const listed = await context.cloud(region).listMachines();
    const ids = new Set(listed.map(({ instanceId }) => instanceId));
    const recent = await unlistedRecent(context, context.cloud(region), ids);
    return [
      ...listed.flatMap(listedVm),
      ...recent.map(({ hostname, instanceId, launchId, address, instanceType, createdAt }) => ({
        hostname,
        id: instanceId,
        operationId: launchId,
        ssh: sshAccess(address),
        createdAt,
        ...(instanceType !== null && { instanceType }),
      })),
    ];
  } catch (error) {
    // A server that never launched anything, and has no credentials yet, has no machines.
    if (neverLaunched && error instanceof CloudError) return [];
    throw error;
  }
}

/** Machines that EC2 does not list yet. Another allocator may have ended one meanwhile: EC2 then lists it as ended. */
async function unlistedRecent({ recentMachines }: AwsContext, cloud: Cloud, listed: ReadonlySet<string>) {
  const recent = recentMachines.list().filter(({ instanceId }) => !listed.has(instanceId));
  const ended = await cloud.findEnded(recent.map(({ instanceId }) => instanceId));
  for (const { hostname, instanceId } of recent) if (ended.has(instanceId)) recentMachines.remove(hostname);
  return recent.filter(({ instanceId }) => !ended.has(instanceId));
}

/** Machines of the deployment's name that are not ours. */
async function listForeign(context: AwsContext): Promise<readonly ListedVm[]> {
  const region = await regionOf(context, await context.readSettings());
  if (region === null) return [];
  try {
    return (await context.cloud(region).listForeign(context.deployment)).flatMap(listedVm);
  } catch (error) {
    if ((await hasNoState(context)) && error instanceof CloudError) return [];
    throw error;
  }
}

async function restart(cloud: Cloud, hostname: string, signal: AbortSignal): Promise<void> {
  const found = (await cloud.listMachines(signal)).find((machine) => machine.hostname === hostname);
  if (!found)
    throw new CloudError(
      {
        code: 'program',
        message: `There is no machine ${hostname} on AWS.`,
        remedy:
          'Check the list of machines; a machine that has shut down at its end time cannot be restarted.',
      },
      'NotFound',
    );
  await cloud.reboot(found.instanceId, signal);
}

async function withCloud(
  context: AwsContext,
  use: (cloud: Cloud) => Promise<void>,
): Promise<ProvisionResult> {
  return attempt(async () => {
    const region = await regionOf(context, await context.readSettings());
    if (region === null) return fail(NO_REGION);
    await use(context.cloud(region));
    return succeed();
  });
}
