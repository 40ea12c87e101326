// The operation table as routes of Express: every operation, and nothing else. HEAD is served as GET.
import type { Express, Request, Response } from 'express';
import type { Operation } from '../contract/erased.ts';

export type Serve = (req: Request, res: Response, operation: Operation) => void;
export type Refuse = (req: Request, res: Response, allow: string) => void;

/** All operations of one path. */
type Place = { readonly path: string; readonly operations: readonly Operation[] };

/** Fixed paths come before those with parameters that would match them too. */
export function mountOperations(
  app: Express,
  operations: readonly Operation[],
  { serve, refuseMethod }: { readonly serve: Serve; readonly refuseMethod: Refuse },
): void {
  for (const { path, operations: here } of placesOf(operations)) {
    const route = app.route(expressPath(path));
    for (const operation of here) route[operation.method]((req, res) => serve(req, res, operation));
    const allow = allowedMethods(here);
    route.all((req, res) => refuseMethod(req, res, allow));
  }
}

function placesOf(operations: readonly Operation[]): readonly Place[] {
  const byPath = Map.groupBy(operations, ({ path }) => path);
  return [...byPath]
    .map(([path, here]) => ({ path, operations: here }))
    .toSorted((a, b) => parametersOf(a.path) - parametersOf(b.path));
}

function parametersOf(path: string): number {
  return path.split('{').length - 1;
}

function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function allowedMethods(operations: readonly Operation[]): string {
  const methods = operations.flatMap(({ method }) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  return methods.toSorted().join(', ');
}

/** The operation that a path means whose parameters cannot be decoded; null where none does. */
export function operationAt(
  operations: readonly Operation[],
  method: string,
  rawPath: string,
): Operation | null {
  const asked = method === 'HEAD' ? 'get' : method.toLowerCase();
  const steps = rawPath.split('/');
  return operations.find((operation) => operation.method === asked && matches(operation.path, steps)) ?? null;
}

function matches(path: string, steps: readonly string[]): boolean {
  const own = path.split('/');
  return own.length === steps.length && own.every((step, at) => step.startsWith('{') || step === steps[at]);
}

/** What is mounted, as `GET /api/vm-status/:hostname`, read out of Express itself. */
export function mountedRoutes(app: Express): readonly string[] {
  return app.router.stack.flatMap(({ route }) =>
    (route?.stack ?? []).flatMap(({ method }) =>
      route && method ? [`${method.toUpperCase()} ${route.path}`] : [],
    ),
  );
}
