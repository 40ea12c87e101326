// Pages of what went wrong, beyond what is provoked beside the pages themselves: the server's own faults and outages.
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { problemBody, type ProblemCode } from '../../src/contract/problems.ts';
import { renderProblem } from '../../src/pages/problem.ts';
import type { Screen } from './screen.ts';

/** The page of this problem, with the headers that the server sends with pages. */
function broken(code: ProblemCode, path: string, endpointId: EndpointId): Screen {
  const problem = { ...problemBody(code), request_id: '3b0c9e52-0f4e-4c7e-9b0a-2a1f7c1d9e11' };
  return {
    name: `error-${code.replaceAll('_', '-')}`,
    status: problem.status,
    show: async ({ page, go }) => {
      const body = renderProblem(problem, { endpointId, form: null });
      await page.route(`**${path}`, async (route) => {
        await route.fulfill({ response: await route.fetch(), status: problem.status, body });
      });
      await go(path);
    },
  };
}

export const errorScreens: readonly Screen[] = [
  broken('internal_error', '/check', 'checkPage'),
  broken('database_unavailable', '/admin/instances', 'instancesPage'),
];
