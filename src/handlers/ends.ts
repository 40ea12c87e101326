// When launched machines end, and what they have cost so far; and the page for it.
import type { HandlersOf } from '../contract/handlers.ts';
import { nameOf } from './fleet.ts';
import { fleetPage, type FleetPageDependencies } from './fleet-page.ts';
import { fleetView } from './fleet-view.ts';

export function createEndsHandlers(dependencies: FleetPageDependencies): HandlersOf<'shutdown'> {
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
      await operations.extend({ hours: body.hours, by: nameOf(caller) });
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
