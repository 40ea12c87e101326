// Endpoints that keep the bodies that reach them.
import type { AnyInput } from '../../src/contract/erased.ts';
import { done, html, startStub, type Harness } from './harness.ts';

export type BodyEcho = AsyncDisposable & { readonly http: Harness; readonly seen: readonly unknown[] };

/** As the contract has it where it says nothing else. */
export const LIMIT_BYTES = 65_536;

export async function bodyEcho(): Promise<BodyEcho> {
  const seen: unknown[] = [];
  const keep = (input: AnyInput): void => void seen.push(input.body);
  const http = await startStub({
    updateVmStatus: (input) => {
      keep(input);
      return done;
    },
    postVmLogs: (input) => {
      keep(input);
      return done;
    },
    requestVm: (input) => {
      keep(input);
      return html('asked');
    },
    launchVms: (input) => {
      keep(input);
      return html('launched');
    },
    destroyVms: (input) => {
      keep(input);
      return html('destroyed');
    },
    cancelOperation: () => html('cancelled'),
  });
  return { http, seen, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}
