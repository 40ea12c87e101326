// The page of a form that a busy server has refused, in place of what this server would have answered.
import type { Page, Route } from 'playwright-core';
import { problemBody } from '../../src/contract/problems.ts';
import { renderProblem } from '../../src/pages/problem.ts';

/** Until `page.unroute`. */
export async function refuseForms(
  page: Page,
  endpointId: 'requestVm' | 'returnToVm',
  retryAfterSeconds: number,
): Promise<void> {
  const path = endpointId === 'requestVm' ? '**/api/request_vm' : '**/api/v1/return';
  await page.route(path, async (route: Route) => {
    const form = Object.fromEntries(new URLSearchParams(route.request().postData() ?? ''));
    const body = renderProblem(problemBody('overloaded'), { endpointId, form, retryAfterSeconds });
    // The headers are those of a page of this server.
    const page = await route.fetch({ url: new URL('/', route.request().url()).href, method: 'GET' });
    await route.fulfill({ response: page, status: 503, body });
  });
}
