// Launches and destroys VMs; the pages of operations.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { callerName } from '../contract/caller.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { findOperation, type OperationRecord } from '../db/operations.ts';
import type { NotReady } from '../provision/operation-service.ts';
import type { Requested } from '../provision/request.ts';
import { describeOperation } from '../vms/operation.ts';
import {
  createPage,
  dashboardPage,
  deletePage,
  operationsPage,
  type FleetDependencies,
} from './operation-pages.ts';
import { page } from './replies.ts';
import { operationAddress, operationView } from './views.ts';
import { describeFailure } from '../result.ts';

export function createFleetHandlers(dependencies: FleetDependencies): HandlersOf<'fleet'> {
  return {
    createInstancesPage: async ({ query }) => page(await createPage(dependencies, query.participants)),
    operationsPage: async ({ query }) => page(await operationsPage(dependencies, query.after)),
    deleteInstancesPage: async ({ query }) => page(await deletePage(dependencies, query)),
    operationPage: async ({ path }) => {
      const operation = await findOperation(dependencies.db, path.id);
      if (operation === null) throw new ProblemError('operation_not_found');
      return page(await dashboardPage(dependencies, { operation, kind: operation.kind, error: null }));
    },
    launchVms: (input) => launch(dependencies, input),
    destroyVms: (input) => destroy(dependencies, input),
  };
}

async function launch(
  dependencies: FleetDependencies,
  input: Input<'launchVms'>,
): Promise<Reply<'launchVms'>> {
  const { operations, maxVmsPerLaunch } = dependencies;
  const { num_vms: numVms, hours } = input.body;
  if (numVms > maxVmsPerLaunch) {
    const message = `Number of VMs must be at most ${maxVmsPerLaunch} at a time.`;
    const errors = [{ field: 'num_vms', code: 'maximum', message }];
    if (wantsJson(input)) return problem('invalid_request', { detail: message, errors });
    const sentence = `The number of machines must be at most ${maxVmsPerLaunch} at a time.`;
    const error = { message: sentence, fields: { num_vms: sentence } };
    const typed = String(numVms);
    return page(
      await dashboardPage(dependencies, { operation: null, kind: 'launch', error, numVms: typed, hours }),
    );
  }
  const answer = await operations.launch({ numVms, hours, by: callerName(input.caller) });
  return reply(dependencies, answer, { kind: 'launch', numVms: String(numVms), hours }, wantsJson(input));
}

async function destroy(
  dependencies: FleetDependencies,
  input: Input<'destroyVms'>,
): Promise<Reply<'destroyVms'>> {
  const { operations } = dependencies;
  const confirmed = input.body?.confirm;
  if (confirmed !== undefined && confirmed.trim() !== operations.deployment.name) {
    const message = `Nothing was destroyed: to confirm, type ${operations.deployment.name}.`;
    if (wantsJson(input))
      return problem('invalid_request', {
        detail: message,
        errors: [{ field: 'confirm', code: 'mismatch', message }],
      });
    return page(await deletePage(dependencies, {}, { message, fields: { confirm: message } }));
  }
  const answer = await operations.destroy({ by: callerName(input.caller) });
  return reply(dependencies, answer, { kind: 'destroy' }, wantsJson(input));
}

async function reply(
  dependencies: FleetDependencies,
  answer: Requested | NotReady,
  form: {
    readonly kind: OperationRecord['kind'];
    readonly numVms?: string;
    readonly hours?: number | undefined;
  },
  asJson: boolean,
): Promise<Reply<'launchVms'> & Reply<'destroyVms'>> {
  const shown = (operation: OperationRecord | null, message: string | null) =>
    dashboardPage(dependencies, { ...form, operation, error: message === null ? null : { message } });
  const { kind } = form;
  switch (answer.kind) {
    case 'accepted': {
      const { operation } = answer;
      if (!asJson) return page(await shown(operation, null));
      const headers = { Location: operationAddress(operation) };
      return { status: 202, type: 'application/json', headers, body: operationView(operation) };
    }
    case 'busy': {
      const { running } = answer;
      const detail = `${notDone[kind]}: another operation is running. ${describeOperation(running)}, ${UNFINISHED}`;
      if (!asJson) return page(await shown(running, detail));
      const headers = { Location: operationAddress(running) };
      return problem('operation_running', { detail, headers, operation: operationView(running) });
    }
    case 'not_ready': {
      const detail = `${notDone[kind]}. ${describeFailure(answer.failure)}`;
      return asJson ? problem('provider_not_ready', { detail }) : page(await shown(null, detail));
    }
  }
}

const notDone = { launch: 'Nothing was launched', destroy: 'Nothing was destroyed' } as const;
const UNFINISHED = 'has not finished yet. Wait until it finishes, or cancel it.';

function wantsJson({ accept }: { readonly accept: string }): boolean {
  return accept === 'application/json';
}
