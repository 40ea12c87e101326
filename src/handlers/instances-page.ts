// The page of machines: what was asked for, a page of it, and from where the live page goes on.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { readPageCursor } from '../db/vm-changes.ts';
import { findVms, listStatuses, listVms, type VmRecord } from '../db/vms.ts';
import { renderInstances } from '../pages/instances.ts';
import {
  isEverything,
  isShown,
  pageOf,
  readMachineQuery,
  sortMachines,
  type MachineQuery,
} from '../pages/machine-order.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import { viewContext, vmView, type ViewDependencies } from './views.ts';

type Vm = components['schemas']['Vm'];

/** So many are searched and sorted for the page; the rest is behind /api/v1/vms. */
const INSTANCES_READ = 10_000;

type ViewOf = (record: VmRecord) => Vm;
type Found = {
  readonly vms: readonly Vm[];
  readonly page: number;
  readonly pages: number;
  readonly matching: number;
  readonly total: number;
};

export async function instancesPage(
  dependencies: ViewDependencies & { readonly db: Db },
  given: Parameters<typeof readMachineQuery>[0],
): Promise<string> {
  const { db } = dependencies;
  const query = readMachineQuery(given);
  // Before the machines are read: what changes meanwhile comes by the stream.
  const cursor = await readPageCursor(db);
  const context = viewContext(dependencies);
  const viewOf: ViewOf = (record) => vmView(record, context);
  const found = isEverything(query) ? await ofAll(db, query, viewOf) : await ofMatching(db, query, viewOf);
  return renderInstances({ ...found, query, cursor, now: context.now });
}

/** As most look at it: only the machines of the page are read whole. */
async function ofAll(db: Db, { sort, page }: MachineQuery, viewOf: ViewOf): Promise<Found> {
  const ascending = [...(await listStatuses(db)).keys()].sort(compareHostnames);
  const { shown, ...place } = pageOf(sort.descending ? ascending.reverse() : ascending, page);
  const vms = sortMachines((await findVms(db, shown)).map(viewOf), sort);
  return { ...place, vms, matching: ascending.length, total: ascending.length };
}

async function ofMatching(db: Db, query: MachineQuery, viewOf: ViewOf): Promise<Found> {
  const { vms, total } = await listVms(db, {}, { limit: INSTANCES_READ });
  const matching = vms.map(viewOf).filter((vm) => isShown(vm, query));
  const { shown, ...place } = pageOf(sortMachines(matching, query.sort), query.page);
  return { ...place, vms: shown, matching: matching.length, total };
}
