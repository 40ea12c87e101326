// The endpoint table as routes of Express: every endpoint, and nothing else. HEAD is served as GET.
import type { Express, RequestHandler } from 'express';
import type { Endpoint } from '../contract/erased.ts';
import { ProblemError } from '../contract/problems.ts';

/** Fixed paths come before those with parameters that would match them too. */
export function mountEndpoints(
  app: Express,
  endpoints: readonly Endpoint[],
  parts: {
    readonly middlewares: (endpoint: Endpoint) => readonly RequestHandler[];
    readonly rateLimit: RequestHandler;
  },
): void {
  const byPath = Map.groupBy(endpoints, ({ path }) => path);
  const sorted = [...byPath].toSorted(([a], [b]) => parametersOf(a) - parametersOf(b));
  for (const [path, here] of sorted) {
    const route = app.route(expressPath(path));
    for (const endpoint of here) route[endpoint.method](...parts.middlewares(endpoint));
    const allow = allowedMethods(here);
    route.all(parts.rateLimit, () => {
      throw new ProblemError('method_not_allowed', { headers: { Allow: allow } });
    });
  }
}

function parametersOf(path: string): number {
  return path.split('{').length - 1;
}

function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function allowedMethods(endpoints: readonly Endpoint[]): string {
  const methods = endpoints.flatMap(({ method }) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  return methods.toSorted().join(', ');
}

/** The endpoint that a path means whose parameters cannot be decoded; null where none does. */
export function endpointAt(endpoints: readonly Endpoint[], method: string, rawPath: string): Endpoint | null {
  const asked = method === 'HEAD' ? 'get' : method.toLowerCase();
  const steps = rawPath.split('/');
  return endpoints.find((endpoint) => endpoint.method === asked && matches(endpoint.path, steps)) ?? null;
}

function matches(path: string, steps: readonly string[]): boolean {
  const own = path.split('/');
  return own.length === steps.length && own.every((step, at) => step.startsWith('{') || step === steps[at]);
}

/** What is mounted, as `GET /api/vm-status/:hostname`, read out of Express itself. */
export function mountedRoutes(app: Express): readonly string[] {
  const routes = app.router.stack.flatMap(({ route }) =>
    (route?.stack ?? []).flatMap(({ method }) =>
      route && method ? [`${method.toUpperCase()} ${route.path}`] : [],
    ),
  );
  return [...new Set(routes)];
}
