// Operations: the list, one of them, and its cancellation.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { readOperationVms } from '../db/operation-vms.ts';
import { findOperation, listOperations } from '../db/operations.ts';
import { callerName, roleOf } from '../contract/caller.ts';
import { viewerOf } from '../contract/role.ts';
import { mayCancel } from '../vms/selected.ts';
import { dashboardPage, type FleetDependencies } from './operation-pages.ts';
import { json, page } from './replies.ts';
import { createOperation } from './request-operation.ts';
import { operationVmView, operationView } from './views.ts';

const PAGE_LIMIT_DEFAULT = 100;

export function createOperationHandlers(dependencies: FleetDependencies): HandlersOf<'operations'> {
  const { db } = dependencies;
  return {
    listOperations: async ({ query }) => {
      const { limit = PAGE_LIMIT_DEFAULT, after } = query;
      const { operations, next } = await listOperations(db, { after, limit });
      return json({ items: operations.map(operationView), next });
    },
    getOperation: async ({ path }) => {
      const operation = await findOperation(db, path.id);
      if (operation === null) throw new ProblemError('operation_not_found');
      const vms = (await readOperationVms(db, path.id)).map(operationVmView);
      return json({ ...operationView(operation), vms });
    },
    createOperation: (input) => createOperation(dependencies, input),
    cancelOperation: (input) => cancel(dependencies, input),
  };
}

async function cancel(
  dependencies: FleetDependencies,
  { path, caller, accept }: Input<'cancelOperation'>,
): Promise<Reply<'cancelOperation'>> {
  const found = await findOperation(dependencies.db, path.id);
  if (found && !mayCancel(roleOf(caller), found.kind)) throw new ProblemError('admins_only');
  const answer = await dependencies.operations.cancel(path.id, callerName(caller));
  if (answer.kind === 'unknown') throw new ProblemError('operation_not_found');
  const { operation, kind } = answer;
  if (accept === 'text/html') {
    const error = kind === 'finished' ? { message: problem('operation_finished').body.detail } : null;
    const viewer = viewerOf(caller);
    return page(await dashboardPage(dependencies, { viewer, operation, kind: operation.kind, error }));
  }
  if (kind === 'finished') return problem('operation_finished', { operation: operationView(operation) });
  return json(operationView(operation));
}
