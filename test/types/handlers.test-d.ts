// What must not compile: tsc reads this file, nothing runs it. An error that is expected and does not come is one.
import { Readable } from 'node:stream';
import type { Handler, Handlers, HandlersOf, Input, Reply } from '../../src/contract/handlers.ts';
import { problem } from '../../src/contract/problems.ts';

declare const all: Handlers;
declare const system: HandlersOf<'system'>;

// Every endpoint has its handler, and there is no other.
export const complete: Handlers = { ...all };
const withoutHealth: Omit<Handlers, 'getHealth'> = all;
// @ts-expect-error getHealth is missing
export const incomplete: Handlers = withoutHealth;
export const extra: Handlers = {
  ...all,
  // @ts-expect-error the contract has no such endpoint
  getWealth: () => ({ status: 200, type: 'application/json', body: {} }),
};
export const inAnotherFile: HandlersOf<'system'> = {
  ...system,
  // @ts-expect-error requestVm belongs to the participant's file
  requestVm: all.requestVm,
};

// Status, media type and body are those of the contract, together.
export const right: Reply<'getUnassignedVmsCount'> = {
  status: 200,
  type: 'application/json',
  body: { count: 5 },
};
export const rightProblem: Reply<'getUnassignedVmsCount'> = problem('database_unavailable');
export const undeclaredStatus: Reply<'getUnassignedVmsCount'> = {
  // @ts-expect-error 201 is not declared
  status: 201,
  type: 'application/json',
  body: { count: 5 },
};
// @ts-expect-error 404 is not declared
export const undeclaredProblem: Reply<'getUnassignedVmsCount'> = problem('vm_not_found');
export const wrongBody: Reply<'getUnassignedVmsCount'> = {
  status: 200,
  type: 'application/json',
  // @ts-expect-error a count is a number
  body: { count: '5' },
};
export const missingField: Reply<'getVmStatus'> = {
  status: 200,
  type: 'application/json',
  // @ts-expect-error hostname is missing
  body: { status: 'running' },
};
export const wrongEnum: Reply<'getVmStatus'> = {
  status: 200,
  type: 'application/json',
  // @ts-expect-error there is no such status
  body: { hostname: 'vm-1', status: 'sleeping' },
};
// @ts-expect-error the count is no page
export const wrongType: Reply<'getUnassignedVmsCount'> = { status: 200, type: 'text/html', body: '5' };
// @ts-expect-error 409 of requestVm is a problem, never a page
export const typeOfAnotherStatus: Reply<'requestVm'> = { status: 409, type: 'text/html', body: 'none free' };
// @ts-expect-error a problem is no success
export const problemAsSuccess: Reply<'requestVm'> = { ...problem('none_free'), status: 200 };

// Pages are text, downloads are streams, events are iterated.
export const zip: Reply<'downloadData'> = { status: 200, type: 'application/zip', body: Readable.from([]) };
export const zipAsText: Reply<'downloadData'> = {
  status: 200,
  type: 'application/zip',
  // @ts-expect-error a zip is a stream
  body: 'PK',
};
export const pageAsObject: Reply<'indexPage'> = {
  status: 200,
  type: 'text/html',
  // @ts-expect-error a page is text
  body: { html: '' },
};
export const eventsAsList: Reply<'streamVmChanges'> = {
  status: 200,
  type: 'text/event-stream',
  // @ts-expect-error events come one after the other
  body: [{ data: {} }],
};

// The input is what the contract says, and nothing of the request.
export const handler: Handler<'updateVmStatus'> = ({ body }) => {
  const status: 'initializing' | 'running' | 'error' = body.status;
  return { status: 200, type: 'application/json', body: { message: status } };
};
type Report = Input<'updateVmStatus'>['body'];
// @ts-expect-error the contract does not name it
export type Color = Report['color'];
// @ts-expect-error there is no request
export type Request = Input<'getVmStatus'>['req'];
export const noBody: Input<'getVmStatus'>['body'] = undefined;
export function change(input: Input<'getVmStatus'>): void {
  // @ts-expect-error the input is not to be changed
  input.path = { hostname: 'other' };
}
// @ts-expect-error a handler answers something
export const silent: Handler<'getLiveness'> = () => undefined;
