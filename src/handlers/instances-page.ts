// The table of VMs: one page of the VMs that match the query, and the cursor where live updates continue.
import type { components } from '../contract/openapi.gen.ts';
import { type Viewer } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import { readPageCursor } from '../db/vm-changes.ts';
import { findVms, listStatuses, listVms } from '../db/vms.ts';
import { renderInstances } from '../pages/instances.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import { pageOf, queryVms, readVmQuery, sortVms, type VmQuery } from '../vms/vm-table.ts';
import { viewContext, vmView, type ViewDependencies } from './views.ts';

type Vm = components['schemas']['Vm'];
type Dependencies = ViewDependencies & { readonly db: Db };

/** VMs that are read at once. */
const MACHINES_READ = 10_000;

type Found = {
  readonly vms: readonly Vm[];
  readonly page: number;
  readonly pages: number;
  readonly matching: number;
  readonly total: number;
};

export async function instancesPage(
  dependencies: Dependencies,
  given: Parameters<typeof readVmQuery>[0] & { readonly page?: string | undefined },
  viewer: Viewer | null,
): Promise<string> {
  const query = readVmQuery(given);
  const page = Math.max(1, Number(given.page ?? '') || 1);
  // Read before the VMs: the stream sends the changes since then.
  const cursor = await readPageCursor(dependencies.db);
  const found = isEverything(query)
    ? await everything(dependencies, query, page)
    : await matchingPage(dependencies, query, page);
  return renderInstances({
    ...found,
    ...{ query, cursor },
    now: viewContext(dependencies).now,
    site: dependencies.site,
    viewer,
  });
}

/** The VMs that the table shows for this query, in its order, and the number of all VMs. */
export async function findMatching(
  dependencies: Dependencies,
  query: VmQuery,
): Promise<{ readonly vms: readonly Vm[]; readonly total: number }> {
  const context = viewContext(dependencies);
  const views: Vm[] = [];
  for (let after: string | undefined; ;) {
    const { vms, next } = await listVms(dependencies.db, {}, { after, limit: MACHINES_READ });
    views.push(...vms.map((record) => vmView(record, context)));
    if (next === null) return { vms: queryVms(views, query, context.now), total: views.length };
    after = next;
  }
}

function isEverything({ q, show, sort }: VmQuery): boolean {
  return q === '' && show === 'all' && sort.column === 'machine';
}

/** For the default query: reads only the VMs of one page completely. */
async function everything(dependencies: Dependencies, { sort }: VmQuery, page: number): Promise<Found> {
  const { db } = dependencies;
  const context = viewContext(dependencies);
  const ascending = [...(await listStatuses(db)).keys()].sort(compareHostnames);
  const { shown, ...position } = pageOf(sort.descending ? ascending.reverse() : ascending, page);
  const records = await findVms(db, shown);
  const vms = sortVms(
    records.map((record) => vmView(record, context)),
    sort,
  );
  return { ...position, vms, matching: ascending.length, total: ascending.length };
}

async function matchingPage(dependencies: Dependencies, query: VmQuery, page: number): Promise<Found> {
  const { vms, total } = await findMatching(dependencies, query);
  const { shown, ...position } = pageOf(vms, page);
  return { ...position, vms: shown, matching: vms.length, total };
}
