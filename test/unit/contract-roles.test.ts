// Every endpoint for which somebody signs in says who may call it.
import { expect, test } from 'vitest';
import { endpointTable } from '../../codegen/endpoints.ts';
import type { JsonObject } from '../../codegen/json.ts';
import { endpoints, type EndpointId } from '../../src/contract/endpoints.gen.ts';
import { mayCall } from '../../src/contract/role.ts';

function contract(operation: JsonObject): JsonObject {
  const get = { operationId: 'getThing', responses: { 200: { description: 'The thing.' } }, ...operation };
  return { paths: { '/thing': { get } } };
}
const signedIn = [{ vmToken: [] }, { adminBasic: [] }];

test.each([
  ['no decision', { security: signedIn }],
  ['an unknown role', { security: signedIn, 'x-role': 'root' }],
  ['a role where nobody signs in', { security: [{ vmToken: [] }], 'x-role': 'admin' }],
])('an endpoint with %s is not generated', (_name, operation) => {
  expect(() => endpointTable(contract(operation))).toThrow(/getThing .*x-role/);
});

test('an endpoint has the role of the contract, or none where nobody signs in', () => {
  const roleOf = (operation: JsonObject) => endpointTable(contract(operation))['getThing']?.['role'];
  expect(roleOf({ security: signedIn, 'x-role': 'instructor' })).toBe('instructor');
  expect(roleOf({ security: signedIn, 'x-role': 'admin' })).toBe('admin');
  expect(roleOf({ security: [] })).toBeNull();
});

test('an instructor may not launch, destroy or change settings, and may see, help and release', () => {
  const refused = [
    ...['launchVms', 'createOperation', 'destroyVms', 'destroyVm', 'deleteVm'],
    ...['saveSettings', 'changeSettings', 'rotateWorkshopCode', 'rescheduleShutdown', 'takeRoster'],
    ...['issueToken', 'registerVm', 'adoptOrphan', 'terminateOrphan'],
  ] as const satisfies readonly EndpointId[];
  expect(refused.filter((id) => mayCall('instructor', id))).toEqual([]);
  const allowed = [
    ...['adminPage', 'instancesPage', 'vmPage', 'releaseAssignment', 'reassignVm', 'restartVm'],
    ...['allowBrowser', 'markVmHealthy', 'allowParticipant', 'callWaiting', 'downloadData'],
  ] as const satisfies readonly EndpointId[];
  expect(allowed.filter((id) => !mayCall('instructor', id))).toEqual([]);
  const ids = Object.keys(endpoints) as EndpointId[];
  expect(ids.filter((id) => !mayCall('admin', id))).toEqual([]);
});
