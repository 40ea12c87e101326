// The pages of operations, and the endpoints of the original API that launch and destroy.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
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
    createInstancesPage: async ({ query, caller }) =>
      page(await createPage(dependencies, query, viewerOf(caller))),
    operationsPage: async ({ query, caller }) =>
      page(await operationsPage(dependencies, query.after, viewerOf(caller))),
    deleteInstancesPage: async ({ query, caller }) =>
      page(await deletePage(dependencies, query, viewerOf(caller))),
    operationPage: async ({ path, caller }) => {
      const operation = await findOperation(dependencies.db, path.id);
      if (operation === null) throw new ProblemError('operation_not_found');
      const viewer = viewerOf(caller);
      return page(
        await dashboardPage(dependencies, { viewer, operation, kind: operation.kind, error: null }),
      );
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
