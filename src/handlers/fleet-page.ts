// The page of the fleet: its end, its cost, orphans.
import type { Db } from '../db/connect.ts';
import { renderFleet } from '../pages/fleet.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { Survey } from '../provision/orphans.ts';
import { fleetView } from './fleet-view.ts';
import { orphansView } from './orphan-view.ts';
import type { Clock } from './views.ts';

export type FleetPageDependencies = {
  readonly db: Db;
  readonly operations: OperationService;
  readonly now: Clock;
};

export async function fleetPage(
  dependencies: FleetPageDependencies,
  survey: Survey,
  told: { readonly good: boolean; readonly text: string } | null,
): Promise<string> {
  const now = dependencies.now();
  return renderFleet({
    fleet: await fleetView(dependencies, now),
    orphans: orphansView(survey),
    told,
    now,
  });
}
