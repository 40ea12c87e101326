// The pages of operations, and the endpoints of the original API that launch and destroy.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import { findOperation } from '../db/operations.ts';
import {
  createPage,
  dashboardPage,
  deletePage,
  operationsPage,
  type FleetDependencies,
} from './operation-pages.ts';
import { page } from './replies.ts';
import { requestDestroy, requestLaunch } from './request-operation.ts';

export function createFleetHandlers(dependencies: FleetDependencies): HandlersOf<'fleet'> {
  return {
    createInstancesPage: async ({ query }) => page(await createPage(dependencies, query)),
    operationsPage: async ({ query }) => page(await operationsPage(dependencies, query.after)),
    deleteInstancesPage: async ({ query }) => page(await deletePage(dependencies, query)),
    operationPage: async ({ path }) => {
      const operation = await findOperation(dependencies.db, path.id);
      if (operation === null) throw new ProblemError('operation_not_found');
      return page(await dashboardPage(dependencies, { operation, kind: operation.kind, error: null }));
    },
    launchVms: (input) => {
      const { num_vms: numVms, hours } = input.body;
      return requestLaunch(dependencies, input, { numVms, hours });
    },
    destroyVms: (input) =>
      requestDestroy(dependencies, input, {
        confirm: input.body?.confirm,
        mustConfirm: dependencies.requireDestroyConfirmation,
      }),
  };
}
