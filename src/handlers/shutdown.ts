// When launched machines end, and what they have cost so far; and the page for it.
import type { Db } from '../db/connect.ts';
import { renderFleet } from '../pages/fleet.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { Survey } from '../provision/orphans.ts';
import { fleetView } from './fleet-view.ts';
import { orphansView, type Clock } from './views.ts';
import type { HandlersOf } from '../contract/handlers.ts';
import { callerName } from '../contract/caller.ts';

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

export function createShutdownHandlers(dependencies: FleetPageDependencies): HandlersOf<'shutdown'> {
  const { operations, now } = dependencies;
  return {
    fleetPage: async () => ({
      status: 200,
      type: 'text/html',
      body: await fleetPage(dependencies, await operations.orphans.look(), null),
    }),
    getFleet: async () => ({
      status: 200,
      type: 'application/json',
      body: await fleetView(dependencies, now()),
    }),
    rescheduleShutdown: async ({ body, caller, accept }) => {
      await operations.extend({ hours: body.hours, by: callerName(caller) });
      if (accept === 'text/html') {
        const told = { good: true, text: `The machines will shut down ${hoursWord(body.hours)} from now.` };
        const page = await fleetPage(dependencies, operations.orphans.seen(), told);
        return { status: 200, type: 'text/html', body: page };
      }
      return { status: 200, type: 'application/json', body: await fleetView(dependencies, now()) };
    },
  };
}

function hoursWord(hours: number): string {
  return hours === 1 ? '1 hour' : `${hours} hours`;
}
