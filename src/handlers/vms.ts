// VMs, for admins and integrators.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError, type ProblemReply } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { registerVm } from '../db/registration.ts';
import { findVm, listVms } from '../db/vms.ts';
import type { OperationRecord } from '../db/operations.ts';
import { renderRedirect } from '../pages/redirect.ts';
import { operationPageHref } from '../pages/hrefs.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { describeOperation } from '../vms/operation.ts';
import { hashToken, makeVmToken } from '../vms/token.ts';
import { callerName } from '../contract/caller.ts';
import { findMatching } from './instances-page.ts';
import { readVmQuery } from '../vms/vm-table.ts';
import { json } from './replies.ts';
import { operationAddress, operationView, viewContext, vmView } from './views.ts';
import { existingVm, vmPageProblem, type VmPageDependencies } from './vm-page.ts';
import { vmsCsv } from './vms-csv.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';

export type VmsDependencies = VmPageDependencies & {
  readonly db: Db;
  readonly operations: OperationService;
  readonly randomBytes: (count: number) => Buffer;
};

const PAGE_LIMIT_DEFAULT = 100;

export function createVmsHandlers(dependencies: VmsDependencies): HandlersOf<'vms'> {
  const { db } = dependencies;
  return {
    listVms: async ({ query }) => {
      const { limit = PAGE_LIMIT_DEFAULT, after, ...filter } = query;
      const { vms, next, total } = await listVms(db, filter, { after, limit });
      const context = viewContext(dependencies);
      return json({ items: vms.map((vm) => vmView(vm, context)), next, total });
    },
    getVm: async ({ path }) => {
      const vm = await existingVm(db, path.hostname);
      return json(vmView(vm, viewContext(dependencies)));
    },
    downloadVmsCsv: async ({ query }) => {
      const { vms } = await findMatching(dependencies, readVmQuery(query));
      return {
        status: 200,
        type: 'text/csv',
        body: vmsCsv(vms),
        headers: { 'Content-Disposition': 'attachment; filename="machines.csv"' },
      };
    },
    registerVm: (input) => register(dependencies, input),
    deleteVm: async (input) => {
      const result = await destroyOne(dependencies, input);
      return result.ok ? accepted(result.value) : result.failure;
    },
    destroyVm: (input) => destroyFromPage(dependencies, input),
  };
}

async function destroyOne(
  { operations }: VmsDependencies,
  { path, caller }: Pick<Input<'deleteVm'>, 'path' | 'caller'>,
): Promise<Result<OperationRecord, ProblemReply<'operation_running' | 'provider_not_ready'>>> {
  const answer = await operations.destroyOne({ hostname: path.hostname, by: callerName(caller) });
  switch (answer.kind) {
    case 'accepted':
      return succeed(answer.operation);
    case 'busy': {
      const { running } = answer;
      return fail(
        problem('operation_running', {
          detail: `Nothing was destroyed: another operation is running. ${describeOperation(running)}, has not finished yet. Wait until it finishes, or cancel it.`,
          headers: { Location: operationAddress(running) },
          operation: operationView(running),
        }),
      );
    }
    case 'not_ready':
      return fail(
        problem('provider_not_ready', {
          detail: `Nothing was destroyed. ${describeFailure(answer.failure)}`,
        }),
      );
    case 'unknown':
      throw new ProblemError('vm_not_found');
  }
}

function accepted(operation: OperationRecord) {
  const headers = { Location: operationAddress(operation) };
  return { status: 202, type: 'application/json', headers, body: operationView(operation) } as const;
}

/** HTML clients are redirected to the page of the operation, or get the page of the VM with the problem. */
async function destroyFromPage(
  dependencies: VmsDependencies,
  input: Input<'destroyVm'>,
): Promise<Reply<'destroyVm'>> {
  const result = await destroyOne(dependencies, input);
  if (!result.ok) return vmPageProblem(dependencies, input, result.failure);
  if (input.accept !== 'text/html') return accepted(result.value);
  const href = operationPageHref(result.value.id);
  return { status: 303, type: 'text/html', headers: { Location: href }, body: renderRedirect(href) };
}

async function register(
  dependencies: VmsDependencies,
  { body }: Input<'registerVm'>,
): Promise<Reply<'registerVm'>> {
  const { db } = dependencies;
  const token = makeVmToken(dependencies.randomBytes);
  const result = await registerVm(db, {
    hostname: body.hostname,
    address: body.address ?? null,
    sshUser: body.ssh_user ?? null,
    sshPort: body.ssh_port ?? null,
    tokenHash: hashToken(token),
  });
  const vm = result === 'registered' ? await findVm(db, body.hostname) : null;
  if (!vm) return problem('hostname_taken');
  return {
    status: 201,
    type: 'application/json',
    headers: { Location: `/api/v1/vms/${encodeURIComponent(body.hostname)}` },
    body: { vm: vmView(vm, viewContext(dependencies)), token },
  };
}
