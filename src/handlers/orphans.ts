// Machines without a row, and rows without a machine: shown, adopted, ended.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import type { Decision } from '../provision/orphans.ts';
import { callerName } from '../contract/caller.ts';
import { fleetPage, type FleetPageDependencies } from './shutdown.ts';
import { orphansView } from './views.ts';
import { describeFailure } from '../result.ts';

type DecisionEndpoint = 'adoptOrphan' | 'terminateOrphan';

export function createOrphansHandlers(dependencies: FleetPageDependencies): HandlersOf<'orphans'> {
  const { orphans } = dependencies.operations;
  return {
    listOrphans: async ({ query }) => {
      const survey = query.refresh === true ? await orphans.look() : orphans.seen();
      return { status: 200, type: 'application/json', body: orphansView(survey) };
    },
    adoptOrphan: async (input) => {
      const decision = await orphans.adopt(input.path.id, callerName(input.caller));
      return answer(dependencies, input, decision, 'orphan_not_adoptable');
    },
    terminateOrphan: async (input) => {
      const decision = await orphans.terminate(input.path.id, callerName(input.caller));
      return answer(dependencies, input, decision, 'orphan_not_terminable');
    },
  };
}

async function answer(
  dependencies: FleetPageDependencies,
  { accept }: Pick<Input<DecisionEndpoint>, 'accept'>,
  decision: Decision,
  refusal: 'orphan_not_adoptable' | 'orphan_not_terminable',
): Promise<Reply<DecisionEndpoint>> {
  const asPage = accept === 'text/html';
  if (!decision.ok && decision.failure.code === 'not_found') {
    if (asPage) throw new ProblemError('orphan_not_found');
    return problem('orphan_not_found');
  }
  const good = decision.ok;
  const text = good ? decision.value : describeFailure(decision.failure);
  if (asPage) {
    const page = await fleetPage(dependencies, dependencies.operations.orphans.seen(), { good, text });
    return { status: 200, type: 'text/html', body: page };
  }
  if (!good) return problem(refusal, { detail: text });
  return { status: 200, type: 'application/json', body: { message: text } };
}
