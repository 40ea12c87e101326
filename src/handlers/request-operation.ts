// Requests to launch and to destroy: JSON clients get the operation or a problem, HTML clients the page of the operation, or
// the form with a message.
import { callerName } from '../contract/caller.ts';
import type { Input, Reply } from '../contract/handlers.ts';
import { problem, type FieldError } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import type { OperationRecord } from '../db/operations.ts';
import type { NotReady } from '../provision/operation-service.ts';
import type { Repeated, Requested } from '../provision/request.ts';
import { describeFailure } from '../result.ts';
import { describeOperation } from '../vms/operation.ts';
import { dashboardPage, deletePage, type FleetDependencies } from './operation-pages.ts';
import { page } from './replies.ts';
import { operationAddress, operationView } from './views.ts';

type Requester = Pick<Input<'createOperation'>, 'caller' | 'accept' | 'idempotencyKey'>;
type OperationReply = Reply<'createOperation'> & Reply<'launchVms'> & Reply<'destroyVms'>;

/** `POST /api/v1/operations`. */
export async function createOperation(
  dependencies: FleetDependencies,
  input: Input<'createOperation'>,
): Promise<Reply<'createOperation'>> {
  const { kind, num_vms: numVms, hours, confirm } = input.body;
  if (kind === 'destroy') return requestDestroy(dependencies, input, { confirm, mustConfirm: true });
  return requestLaunch(dependencies, input, { numVms, hours });
}

/** `typed`: the fields of the form; without a number nothing is launched. */
export async function requestLaunch(
  dependencies: FleetDependencies,
  input: Requester,
  typed: { readonly numVms: number | undefined; readonly hours: number | undefined },
): Promise<OperationReply> {
  const { operations, maxVmsPerLaunch } = dependencies;
  const { numVms, hours } = typed;
  const form = { kind: 'launch', numVms: String(numVms ?? ''), hours } as const;
  const refuse = async (error: FieldError, sentence: string): Promise<OperationReply> => {
    if (wantsJson(input)) return problem('invalid_request', { errors: [error] });
    const shown = { message: sentence, fields: { num_vms: sentence } };
    return page(
      await dashboardPage(dependencies, {
        viewer: viewerOf(input.caller),
        ...form,
        operation: null,
        error: shown,
      }),
    );
  };
  if (numVms === undefined) {
    const message = 'num_vms is required for a launch';
    return refuse({ field: 'num_vms', code: 'required', message }, 'Enter the number of machines.');
  }
  if (numVms > maxVmsPerLaunch) {
    const message = `num_vms must be at most ${maxVmsPerLaunch} at a time`;
    const sentence = `The number of machines must be at most ${maxVmsPerLaunch} at a time.`;
    return refuse({ field: 'num_vms', code: 'maximum', message }, sentence);
  }
  const { caller, idempotencyKey } = input;
  const answer = await operations.launch({ numVms, hours, by: callerName(caller), idempotencyKey });
  return reply(dependencies, input, answer, form);
}

/** A name that was given must match; `mustConfirm`: one must be given. */
export async function requestDestroy(
  dependencies: FleetDependencies,
  input: Requester,
  { confirm, mustConfirm }: { readonly confirm: string | undefined; readonly mustConfirm: boolean },
): Promise<OperationReply> {
  const { operations } = dependencies;
  const isConfirmed = confirm === undefined ? !mustConfirm : confirm.trim() === operations.deployment.name;
  if (!isConfirmed) {
    const message = `Nothing was destroyed: to confirm, type ${operations.deployment.name}.`;
    const code = confirm === undefined ? 'required' : 'mismatch';
    if (wantsJson(input))
      return problem('invalid_request', { detail: message, errors: [{ field: 'confirm', code, message }] });
    return page(
      await deletePage(dependencies, {}, viewerOf(input.caller), { message, fields: { confirm: message } }),
    );
  }
  const { caller, idempotencyKey } = input;
  const answer = await operations.destroy({ by: callerName(caller), idempotencyKey });
  return reply(dependencies, input, answer, { kind: 'destroy' });
}

async function reply(
  dependencies: FleetDependencies,
  input: Requester,
  answer: Requested | NotReady | Repeated,
  form: {
    readonly kind: keyof typeof notDone;
    readonly numVms?: string;
    readonly hours?: number | undefined;
  },
): Promise<OperationReply> {
  const asJson = wantsJson(input);
  const shown = (operation: OperationRecord | null, message: string | null) =>
    dashboardPage(dependencies, {
      viewer: viewerOf(input.caller),
      ...form,
      operation,
      error: message === null ? null : { message },
    });
  const { kind } = form;
  switch (answer.kind) {
    case 'accepted':
    case 'repeated': {
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
    case 'key_reused': {
      const reused = problem('idempotency_key_reused');
      return asJson ? reused : page(await shown(null, reused.body.detail));
    }
    case 'not_ready': {
      const detail = `${notDone[kind]}. ${describeFailure(answer.failure)}`;
      return asJson ? problem('provider_not_ready', { detail }) : page(await shown(null, detail));
    }
  }
}

const notDone = { launch: 'Nothing was launched', destroy: 'Nothing was destroyed' } as const;
const UNFINISHED = 'has not finished yet. Wait until it finishes, or cancel it.';

function wantsJson({ accept }: Requester): boolean {
  return accept === 'application/json';
}
