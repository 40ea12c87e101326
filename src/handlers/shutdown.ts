// Shutdown times and costs of launched VMs, and their page.
import type { Db } from '../db/connect.ts';
import { renderFleet } from '../pages/fleet.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { Survey } from '../provision/orphans.ts';
import { fleetView } from './fleet-view.ts';
import { json, page } from './replies.ts';
import { orphansView, type Clock } from './views.ts';
import type { Caller, HandlersOf } from '../contract/handlers.ts';
import { callerName } from '../contract/caller.ts';
import { viewerOf } from '../contract/role.ts';

export type FleetPageDependencies = {
  readonly db: Db;
  readonly operations: OperationService;
  readonly now: Clock;
  readonly site?: string;
};

export async function fleetPage(
  dependencies: FleetPageDependencies,
  survey: Survey,
  notice: { readonly good: boolean; readonly text: string } | null,
  caller: Caller,
): Promise<string> {
  const now = dependencies.now();
  return renderFleet({
    site: dependencies.site,
    viewer: viewerOf(caller),
    fleet: await fleetView(dependencies, now),
    orphans: orphansView(survey),
    notice,
    now,
  });
}

export function createShutdownHandlers(dependencies: FleetPageDependencies): HandlersOf<'shutdown'> {
  const { operations, now } = dependencies;
  return {
    fleetPage: async ({ caller }) =>
      page(await fleetPage(dependencies, await operations.orphans.look(), null, caller)),
    getFleet: async () => json(await fleetView(dependencies, now())),
    rescheduleShutdown: async ({ body, caller, accept }) => {
      await operations.extend({ hours: body.hours, by: callerName(caller) });
      if (accept === 'text/html') {
        const text = `The machines will shut down ${hoursText(body.hours)} from now.`;
        return page(await fleetPage(dependencies, operations.orphans.seen(), { good: true, text }, caller));
      }
      return json(await fleetView(dependencies, now()));
    },
  };
}

function hoursText(hours: number): string {
  return hours === 1 ? '1 hour' : `${hours} hours`;
}
