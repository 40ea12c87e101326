// The pages on which operations are asked for and watched, with what they need of the database.
import type { Db } from '../db/connect.ts';
import { listMachineRows } from '../db/fleet.ts';
import { readLastOperationEvents } from '../db/operation-events.ts';
import { findActiveOperation, type OperationRecord } from '../db/operations.ts';
import { listVms } from '../db/vms.ts';
import { renderCreateInstances } from '../pages/create-instances.ts';
import { renderDashboard } from '../pages/dashboard.ts';
import { renderDeleteInstances } from '../pages/delete-instances.ts';
import type { FormError } from '../pages/index-page.ts';
import type { Operations } from '../provision/operations.ts';
import { operationEventView, operationView } from './operation-views.ts';
import { viewContext, vmView, type ViewDependencies } from './views.ts';

export type FleetDependencies = ViewDependencies & {
  readonly db: Db;
  readonly operations: Operations;
  readonly maxVmsPerLaunch: number;
};

/** A page shows so many of the newest lines; a live one goes on from there. */
const LINES_SHOWN = 1_000;
/** The monitor shows so many machines where there is no JavaScript. */
const MACHINES_SHOWN = 1_000;

/** The page of an operation, as of now; without one, the page that would show it, with the message. */
export async function dashboardPage(
  dependencies: FleetDependencies,
  shown: {
    readonly operation: OperationRecord | null;
    readonly kind: OperationRecord['kind'];
    readonly error: FormError | null;
  },
): Promise<string> {
  const { db } = dependencies;
  const { operation, error } = shown;
  const { events, older } = operation
    ? await readLastOperationEvents(db, operation.id, LINES_SHOWN)
    : { events: [], older: 0 };
  const { vms, total } = await listVms(db, {}, { limit: MACHINES_SHOWN });
  const context = viewContext(dependencies);
  return renderDashboard({
    kind: operation?.kind ?? shown.kind,
    operation: operation && operationView(operation),
    error,
    lines: events.map(operationEventView),
    olderLines: older,
    lastLine: events.at(-1)?.id ?? 0,
    machines: { vms: vms.map((vm) => vmView(vm, context)), total },
  });
}

export async function createPage(
  { db, operations, maxVmsPerLaunch }: FleetDependencies,
  error: FormError | null = null,
): Promise<string> {
  const ready = await operations.readiness();
  const running = await findActiveOperation(db);
  return renderCreateInstances({
    maxVms: maxVmsPerLaunch,
    notReady: ready.ok ? null : ready,
    running: running && operationView(running),
    error,
    numVms: '',
  });
}

export async function deletePage(
  { db, operations }: FleetDependencies,
  error: FormError | null = null,
): Promise<string> {
  const running = await findActiveOperation(db);
  return renderDeleteInstances({
    deployment: operations.deployment.name,
    provider: operations.providerName,
    machines: await listMachineRows(db),
    running: running && operationView(running),
    error,
  });
}
