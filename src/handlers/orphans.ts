// Machines without a row, and rows without a machine: shown, adopted, ended.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import type { Decided } from '../provision/orphans.ts';
import { nameOf } from './fleet.ts';
import { fleetPage, type FleetPageDependencies } from './fleet-page.ts';
import { orphansView } from './orphan-view.ts';

type Decision = 'adoptOrphan' | 'terminateOrphan';

export function createOrphansHandlers(dependencies: FleetPageDependencies): HandlersOf<'orphans'> {
  const { orphans } = dependencies.operations;
  return {
    listOrphans: async ({ query }) => {
      const survey = query.refresh === true ? await orphans.look() : orphans.seen();
      return { status: 200, type: 'application/json', body: orphansView(survey) };
    },
    adoptOrphan: async (input) => {
      const decided = await orphans.adopt(input.path.id, nameOf(input.caller));
      return answer(dependencies, input, decided, 'orphan_not_adoptable');
    },
    terminateOrphan: async (input) => {
      const decided = await orphans.terminate(input.path.id, nameOf(input.caller));
      return answer(dependencies, input, decided, 'orphan_not_terminable');
    },
  };
}

async function answer(
  dependencies: FleetPageDependencies,
  { accept }: Pick<Input<Decision>, 'accept'>,
  decided: Decided,
  refusal: 'orphan_not_adoptable' | 'orphan_not_terminable',
): Promise<Reply<Decision>> {
  const asPage = accept === 'text/html';
  if (decided.kind === 'unknown') {
    if (asPage) throw new ProblemError('orphan_not_found');
    return problem('orphan_not_found');
  }
  const good = decided.kind === 'done';
  const text = good ? decided.message : decided.problem;
  if (asPage) {
    const page = await fleetPage(dependencies, dependencies.operations.orphans.seen(), { good, text });
    return { status: 200, type: 'text/html', body: page };
  }
  if (!good) return problem(refusal, { detail: text });
  return { status: 200, type: 'application/json', body: { message: text } };
}
