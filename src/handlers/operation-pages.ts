// The pages of operations, and what they read from the database.
import { type Viewer } from '../contract/role.ts';
import { fateOf } from '../provision/providers.ts';
import type { Db } from '../db/connect.ts';
import { listVmRows } from '../db/vm-rows.ts';
import { readLastOperationEvents } from '../db/operation-events.ts';
import { readFormerParticipants, readOperationVms } from '../db/operation-vms.ts';
import { findActiveOperation, listOperations, type OperationRecord } from '../db/operations.ts';
import { countVms, findVms } from '../db/vms.ts';
import { renderCreateInstances, type LaunchFormModel } from '../pages/launch.ts';
import { renderDashboard, type OperationMachines } from '../pages/dashboard.ts';
import { renderDeleteInstances } from '../pages/delete-instances.ts';
import type { FormError } from '../pages/index-page.ts';
import { renderOperations } from '../pages/operations.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { readPeople } from '../vms/launch-size.ts';
import { settingsView, type SettingsDependencies } from './settings.ts';
import {
  operationEventView,
  operationVmView,
  operationView,
  viewContext,
  vmView,
  type ViewDependencies,
} from './views.ts';
import { readUnsavedWork, type WorkDependencies } from './unsaved-work.ts';

export type FleetDependencies = ViewDependencies &
  WorkDependencies &
  SettingsDependencies & {
    readonly db: Db;
    readonly operations: OperationService;
    readonly maxVmsPerLaunch: number;
    /** Whether the original API's destroy needs the name of the deployment too. */
    readonly requireDestroyConfirmation: boolean;
  };

/** The page shows this many of the newest lines; the stream continues from there. */
const LINES_SHOWN = 500;
/** Operations on one page. */
const OPERATIONS_SHOWN = 25;

/** The page of an operation. Without one, the same page with the message and the form. */
export async function dashboardPage(
  dependencies: FleetDependencies,
  shown: {
    readonly viewer: Viewer | null;
    readonly operation: OperationRecord | null;
    readonly kind: OperationRecord['kind'];
    readonly error: FormError | null;
    /** As it was typed. */
    readonly numVms?: string;
    readonly hours?: number | undefined;
  },
): Promise<string> {
  const { db } = dependencies;
  const { operation, error, numVms = '', hours } = shown;
  const { events, older } = operation
    ? await readLastOperationEvents(db, operation.id, LINES_SHOWN)
    : { events: [], older: 0 };
  return renderDashboard({
    site: dependencies.site,
    viewer: shown.viewer,
    kind: operation?.kind ?? shown.kind,
    operation: operation && operationView(operation),
    error,
    lines: events.map(operationEventView),
    olderLines: older,
    lastLine: events.at(-1)?.id ?? 0,
    machines: operation && (await operationMachines(dependencies, operation.id)),
    share:
      operation?.kind === 'launch' ? settingsView(dependencies, await dependencies.settings.read()) : null,
    form: {
      ...formOf(dependencies),
      numVms,
      ...(hours !== undefined && { hours: String(hours) }),
      plan: operation === null && shown.kind === 'launch' ? await dependencies.operations.plan() : null,
    },
  });
}

/** The results of an operation for its VMs, and their present states. */
async function operationMachines(
  dependencies: FleetDependencies,
  operationId: string,
): Promise<OperationMachines> {
  const { db, operations } = dependencies;
  const machines = await readOperationVms(db, operationId);
  const names = machines.map(({ hostname }) => hostname);
  const context = viewContext(dependencies);
  const vms = new Map((await findVms(db, names)).map((vm) => [vm.hostname, vmView(vm, context)]));
  const { total } = await countVms(db);
  const former = await readFormerParticipants(db, operationId);
  return {
    items: machines.map((machine) => ({
      machine: operationVmView(machine),
      vm: vms.get(machine.hostname) ?? null,
      former: former.get(machine.hostname) ?? null,
    })),
    left: total,
    proof: operations.provider.proof,
  };
}

/** The operations before `after`, or the newest. */
export async function operationsPage(
  { db, now, site }: FleetDependencies,
  after: string | undefined,
  viewer: Viewer | null,
): Promise<string> {
  const { operations, next } = await listOperations(db, { after, limit: OPERATIONS_SHOWN });
  return renderOperations({
    site,
    viewer,
    operations: operations.map(operationView),
    next,
    isFirst: after === undefined,
    now: now(),
  });
}

/** The empty form. */
function formOf({ operations, maxVmsPerLaunch }: FleetDependencies): Omit<LaunchFormModel, 'plan'> {
  const { defaultHours, canaryAbove } = operations;
  const hours = defaultHours === null ? '' : String(defaultHours);
  return { maxVms: maxVmsPerLaunch, numVms: '', hours, defaultHours, canaryAbove, people: null };
}

/** @param query the expected number of participants, as it was typed, and the number of VMs that the form begins with */
export async function createPage(
  dependencies: FleetDependencies,
  { participants: people, num_vms: numVms }: { readonly participants?: string; readonly num_vms?: string },
  viewer: Viewer | null,
): Promise<string> {
  const { db, operations } = dependencies;
  const ready = await operations.readiness();
  const running = await findActiveOperation(db);
  return renderCreateInstances({
    site: dependencies.site,
    viewer,
    ...formOf(dependencies),
    notReady: ready.ok ? null : { problem: ready.failure.message, remedy: ready.failure.remedy },
    running: running && operationView(running),
    error: null,
    ...(numVms !== undefined && { numVms: String(readPeople(numVms) ?? '') }),
    people: people === undefined ? null : { typed: people, count: readPeople(people) },
    plan: await operations.plan(),
  });
}

/** @param query with `survey`, every VM is searched for unsaved work, which takes some seconds */
export async function deletePage(
  dependencies: FleetDependencies,
  { survey = false }: { readonly survey?: boolean | undefined },
  viewer: Viewer | null,
  error: FormError | null = null,
): Promise<string> {
  const { db, operations } = dependencies;
  const running = await findActiveOperation(db);
  return renderDeleteInstances({
    site: dependencies.site,
    viewer,
    deployment: operations.deployment.name,
    machines: (await listVmRows(db)).map(({ hostname, email, ...vm }) => ({
      hostname,
      email,
      fate: fateOf(vm, operations.provider.name),
    })),
    unsavedWork: await readUnsavedWork(dependencies, { survey }),
    running: running && operationView(running),
    error,
  });
}
