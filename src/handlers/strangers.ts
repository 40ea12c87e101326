// Machines without a row, and rows without a machine: shown, adopted, ended.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import type { Decided } from '../provision/strangers.ts';
import { nameOf } from './fleet.ts';
import { fleetPage, type FleetPageDependencies } from './fleet-page.ts';
import { strangersView } from './stranger-view.ts';

type Decision = 'adoptStranger' | 'terminateStranger';

export function createStrangersHandlers(dependencies: FleetPageDependencies): HandlersOf<'strangers'> {
  const { strangers } = dependencies.operations;
  return {
    listStrangers: async ({ query }) => {
      const survey = query.fresh === true ? await strangers.look() : strangers.seen();
      return { status: 200, type: 'application/json', body: strangersView(survey) };
    },
    adoptStranger: async (input) => {
      const decided = await strangers.adopt(input.path.id, nameOf(input.caller));
      return answer(dependencies, input, decided, 'not_adoptable');
    },
    terminateStranger: async (input) => {
      const decided = await strangers.terminate(input.path.id, nameOf(input.caller));
      return answer(dependencies, input, decided, 'not_terminable');
    },
  };
}

async function answer(
  dependencies: FleetPageDependencies,
  { accept }: Pick<Input<Decision>, 'accept'>,
  decided: Decided,
  refusal: 'not_adoptable' | 'not_terminable',
): Promise<Reply<Decision>> {
  const asPage = accept === 'text/html';
  if (decided.kind === 'unknown') {
    if (asPage) throw new ProblemError('stranger_not_found');
    return problem('stranger_not_found');
  }
  const good = decided.kind === 'done';
  const text = good ? decided.message : decided.problem;
  if (asPage) {
    const page = await fleetPage(dependencies, dependencies.operations.strangers.seen(), { good, text });
    return { status: 200, type: 'text/html', body: page };
  }
  if (!good) return problem(refusal, { detail: text });
  return { status: 200, type: 'application/json', body: { message: text } };
}
