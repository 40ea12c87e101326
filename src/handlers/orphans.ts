// Orphans: VMs without a row, and rows without a VM.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import type { Decision } from '../provision/orphans.ts';
import { callerName } from '../contract/caller.ts';
import { fleetPage, type FleetPageDependencies } from './shutdown.ts';
import { json, page } from './replies.ts';
import { orphansView } from './views.ts';
import { describeFailure } from '../result.ts';

type DecisionEndpoint = 'adoptOrphan' | 'terminateOrphan';

export function createOrphansHandlers(dependencies: FleetPageDependencies): HandlersOf<'orphans'> {
  const { orphans } = dependencies.operations;
  return {
    listOrphans: async ({ query }) => {
      const survey = query.refresh === true ? await orphans.look() : orphans.seen();
      return json(orphansView(survey));
    },
    adoptOrphan: async (input) => {
      const decision = await orphans.adopt(input.path.id, callerName(input.caller));
      return reply(dependencies, input, decision, 'orphan_not_adoptable');
    },
    terminateOrphan: async (input) => {
      const decision = await orphans.terminate(input.path.id, callerName(input.caller));
      return reply(dependencies, input, decision, 'orphan_not_terminable');
    },
  };
}

async function reply(
  dependencies: FleetPageDependencies,
  { accept, caller }: Pick<Input<DecisionEndpoint>, 'accept' | 'caller'>,
  decision: Decision,
  code: 'orphan_not_adoptable' | 'orphan_not_terminable',
): Promise<Reply<DecisionEndpoint>> {
  if (!decision.ok && decision.failure.code === 'not_found') throw new ProblemError('orphan_not_found');
  const text = decision.ok ? decision.value : describeFailure(decision.failure);
  if (accept === 'text/html') {
    const { orphans } = dependencies.operations;
    return page(await fleetPage(dependencies, orphans.seen(), { good: decision.ok, text }, caller));
  }
  return decision.ok ? json({ message: text }) : problem(code, { detail: text });
}
