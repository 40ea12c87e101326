// Requests for statuses that depend on the state of the server and need a different set-up for each endpoint.
import { sql } from 'kysely';
import { z } from 'zod';
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { accountRequests } from './account-requests.ts';
import { exampleRequest } from './contract-examples.ts';
import { withHeaders } from './status-requests.ts';
import { sendRaw } from './raw-http.ts';
import type { RawAnswer, RawRequest } from './raw-http.ts';
import { downloadsExample, openAssignmentPage, supersededPoll, withFiles } from './special-answers.ts';
import { EXAMPLE, FREE, RELEASED_ID, RECYCLING } from './example-rows.ts';
import type { TestServer } from './server.ts';
import type { ScriptedProvider } from '../doubles/scripted-provider.ts';

/** A server with the example rows and a scripted provider. */
export type Lab = Pick<TestServer, 'url' | 'db' | 'dataDir'> & { readonly provider: ScriptedProvider };
/** Prepares a newly seeded server, and sends the request. */
export type Special = (lab: Lab) => Promise<RawAnswer>;

const JSON_WANTED = { Accept: 'application/json' };
const exampleAs = (id: EndpointId, changes: Partial<RawRequest>): RawRequest => ({
  ...exampleRequest(id),
  ...changes,
});
const asking =
  (request: RawRequest): Special =>
  ({ url }) =>
    sendRaw(url, request);
/** Sends the request while a launch runs. */
const whileLaunching =
  (request: (runningId: string) => RawRequest): Special =>
  async ({ url, provider }) => {
    provider.script.holdAfter = 0;
    const launched = await sendRaw(url, withHeaders(exampleRequest('launchVms'), JSON_WANTED));
    const { id } = z.object({ id: z.string() }).parse(JSON.parse(launched.text));
    const answer = await sendRaw(url, request(id));
    provider.release();
    return answer;
  };
const cancelling = (headers: Readonly<Record<string, string>>): Special =>
  whileLaunching((id) =>
    withHeaders(exampleAs('cancelOperation', { path: `/api/v1/operations/${id}/cancel` }), headers),
  );
const withoutMachines =
  (request: RawRequest): Special =>
  async ({ url, db }) => {
    await sql`truncate vms cascade`.execute(db);
    return sendRaw(url, request);
  };
const withSetting =
  (key: string, value: string, request: RawRequest): Special =>
  async ({ url, db }) => {
    await sql`insert into settings (key, value, changed_by) values (${key}, to_jsonb(${value}::text), 'admin')`.execute(
      db,
    );
    return sendRaw(url, request);
  };
/** For the orphan of the example, and during a launch, which prevents it. */
function forOrphan(id: 'adoptOrphan' | 'terminateOrphan'): Special[] {
  const request = (accept: string) => withHeaders(exampleRequest(id), { Accept: accept });
  const done = ['text/html', 'application/json'].map((accept): Special => ({ url, provider }) => {
    const orphan = 'i-0123456789abcdef0';
    provider.machines.set(orphan, { hostname: 'an-orphan', id: orphan, operationId: null });
    return sendRaw(url, request(accept));
  });
  return [...done, whileLaunching(() => request('application/json'))];
}

/** The example request, but for a free machine. */
function forFreeMachine(id: EndpointId): RawRequest {
  const example = exampleRequest(id);
  return { ...example, path: example.path.replace(EXAMPLE.hostname, FREE[0]) };
}
function inBothTypes(request: RawRequest): Special[] {
  return [asking(withHeaders(request, JSON_WANTED)), asking(withHeaders(request, { Accept: 'text/html' }))];
}
/** Restarts the machine of the example after it was made one of the provider's. */
function restartProviderMachine(headers: Readonly<Record<string, string>>): Special {
  return async ({ url, db, provider }) => {
    await sql`update vms set provider = ${provider.name}`.execute(db);
    return sendRaw(url, withHeaders(exampleRequest('restartVm'), headers));
  };
}
/** Sends the request when the place of the examples is on the waiting list, with a VM reserved. */
function withPlace(id: EndpointId, changes: Partial<RawRequest> = {}): Special[] {
  return ['text/html', 'application/json'].map((accept): Special => async ({ url, db }) => {
    await sql`insert into waiting_list (id, email, code) values (${EXAMPLE.placeId}, 'joan@example.org', '271828')`.execute(
      db,
    );
    return sendRaw(url, withHeaders(exampleAs(id, changes), { Accept: accept }));
  });
}
function addingRecipient(kind: 'email' | 'webhook', address: string): RawRequest {
  return exampleAs('addRecipient', { body: JSON.stringify({ kind, address }) });
}
/** To each action on a recipient, for one that is not there. */
function unknownRecipients(): Partial<Record<EndpointId, readonly Special[]>> {
  const ids = [
    'changeRecipient',
    'pauseRecipient',
    'resumeRecipient',
    'testRecipient',
    'removeRecipient',
  ] as const;
  return Object.fromEntries(
    ids.map((id) => {
      const example = exampleRequest(id);
      const path = example.path.replace(EXAMPLE.recipientId, RELEASED_ID);
      return [id, inBothTypes({ ...example, path })];
    }),
  );
}
/** Sends the request, and sends it again when the entry of the example has run. */
function forScheduled(id: EndpointId, changes: Partial<RawRequest> = {}): Special[] {
  return inBothTypes(exampleAs(id, changes)).flatMap((send): Special[] => [
    send,
    async (lab) => {
      await sql`update schedule set state = 'done'`.execute(lab.db);
      return send(lab);
    },
  ]);
}
/** As many as there may be. */
const fullSchedule: Special[] = inBothTypes(exampleRequest('addScheduled')).map(
  (send): Special =>
    async (lab) => {
      await sql`insert into schedule (id, kind, scheduled_by, wall_time, zone, due_at)
    select gen_random_uuid(), kind, scheduled_by, wall_time, zone, due_at from schedule, generate_series(1, 99)`.execute(
        lab.db,
      );
      return send(lab);
    },
);
const WRONG_PLAN = JSON.stringify({ kind: 'launch', time: 'tomorrow', zone: 'UTC' });
/** The machine of the example, without its participant. */
const UNNAMED = JSON.stringify({ hostnames: [EXAMPLE.hostname] });

export const specialRequests: Partial<Record<EndpointId, readonly Special[]>> = {
  streamOperationEvents: [
    asking(withHeaders(exampleRequest('streamOperationEvents'), { 'Last-Event-ID': 'end' })),
  ],
  requestVm: [
    withoutMachines(withHeaders(exampleRequest('requestVm'), JSON_WANTED)),
    // The workshop code is missing.
    withSetting('join', 'code', withHeaders(exampleRequest('requestVm'), JSON_WANTED)),
    // An invalid field: programs get 400.
    asking(withHeaders({ ...exampleRequest('requestVm'), body: 'email=x' }, JSON_WANTED)),
  ],
  indexPage: [asking({ path: `/?code=${'x'.repeat(65)}` })],
  settingsPage: [asking(exampleAs('settingsPage', { path: '/admin/settings?done=nothing' }))],
  rosterPage: [asking(exampleAs('rosterPage', { path: '/admin/roster?done=nothing' }))],
  notificationsPage: [asking(exampleAs('notificationsPage', { path: '/admin/notifications?done=nothing' }))],
  addRecipient: [
    ...inBothTypes(addingRecipient('email', 'organisers@example.org')),
    ...inBothTypes(addingRecipient('webhook', 'https://127.0.0.1/hook')),
    ...inBothTypes(addingRecipient('webhook', 'https://hooks.example.org/')),
  ],
  ...unknownRecipients(),
  retryDelivery: inBothTypes(
    exampleAs('retryDelivery', { path: `/api/v1/notifications/deliveries/${RELEASED_ID}/retry` }),
  ),
  ...Object.fromEntries(
    Object.entries(accountRequests).map(([id, requests]) => [id, requests.flatMap(inBothTypes)]),
  ),
  auditPage: [asking(exampleAs('auditPage', { path: '/admin/audit?from=tomorrow' }))],
  saveSettings: inBothTypes(exampleAs('saveSettings', { body: 'opens_at=tomorrow' })),
  resetSettings: [
    ...inBothTypes(exampleRequest('resetSettings')),
    ...inBothTypes(exampleAs('resetSettings', { body: '{"settings":[]}' })),
  ],
  takeRoster: inBothTypes(exampleAs('takeRoster', { path: `/api/v1/roster/uploads/${RELEASED_ID}/take` })),
  returnToVm: [
    ...inBothTypes(exampleAs('returnToVm', { body: `email=${EXAMPLE.email}&pin=${EXAMPLE.pin}` })),
    ...inBothTypes(exampleAs('returnToVm', { body: 'email=nobody@example.org&pin=1' })),
  ],
  joinWaitingList: [
    async ({ url, db }) => {
      await sql`insert into settings (key, value, changed_by)
        values ('join', '"code"', 'admin'), ('code', '"BCDFGHJK"', 'admin')`.execute(db);
      return sendRaw(url, withHeaders(exampleRequest('joinWaitingList'), JSON_WANTED));
    },
    ...withPlace('joinWaitingList'),
    ...withPlace('joinWaitingList', { body: 'email=nobody' }),
    ...inBothTypes(exampleAs('joinWaitingList', { body: 'email=new@example.org' })),
    ...[1, 2, 3, 4, 5]
      .map(() => withPlace('joinWaitingList', { body: 'email=joan@example.org&pin=1' }))
      .flat(),
  ],
  getWaitingPlace: withPlace('getWaitingPlace'),
  addScheduled: [
    ...inBothTypes(exampleRequest('addScheduled')),
    ...fullSchedule,
    ...inBothTypes(exampleAs('addScheduled', { body: WRONG_PLAN })),
  ],
  changeScheduled: [
    ...forScheduled('changeScheduled'),
    ...inBothTypes(exampleAs('changeScheduled', { body: WRONG_PLAN })),
  ],
  cancelScheduled: forScheduled('cancelScheduled'),
  skipScheduled: forScheduled('skipScheduled'),
  resumeScheduled: forScheduled('resumeScheduled'),
  runScheduled: forScheduled('runScheduled'),
  runScheduledWithoutDownload: forScheduled('runScheduledWithoutDownload'),
  schedulePage: ['done=nothing', `change=${RELEASED_ID}`].map((query) =>
    asking(exampleAs('schedulePage', { path: `/admin/schedule?${query}` })),
  ),
  leaveWaitingList: withPlace('leaveWaitingList'),
  callWaiting: withPlace('callWaiting'),
  moveWaiting: withPlace('moveWaiting'),
  removeWaiting: withPlace('removeWaiting'),
  assignmentPage: [openAssignmentPage],
  listVmStatuses: [withoutMachines(exampleRequest('listVmStatuses'))],
  vmStartup: [supersededPoll],
  postOutcome: [
    asking(
      exampleAs('postOutcome', {
        path: `/api/v1/assignments/${RELEASED_ID}/outcome`,
        body: JSON.stringify({ hostname: RECYCLING, outcome: 'registered' }),
      }),
    ),
  ],
  postRecycled: [
    asking(exampleAs('postRecycled', { path: `/api/v1/vms/${RECYCLING}/recycled`, body: '{}' })),
    // The machine is assigned.
    asking(exampleRequest('postRecycled')),
  ],
  registerVm: [
    asking(exampleRequest('registerVm')),
    asking(exampleAs('registerVm', { body: JSON.stringify({ hostname: EXAMPLE.hostname }) })),
  ],
  releaseAssignment: [asking(withHeaders(exampleRequest('releaseAssignment'), { Accept: 'text/html' }))],
  instancesPage: [
    asking({ ...exampleRequest('instancesPage'), path: `/admin/instances?q=${'x'.repeat(300)}` }),
  ],
  allowBrowser: inBothTypes(forFreeMachine('allowBrowser')),
  reassignVm: [
    ...inBothTypes(forFreeMachine('reassignVm')),
    async ({ url, db }) => {
      await sql`update vms set status = 'error' where assignment_id is null`.execute(db);
      return sendRaw(url, withHeaders(exampleRequest('reassignVm'), JSON_WANTED));
    },
  ],
  // The server cannot restart external machines, only those of its provider.
  restartVm: [
    ...inBothTypes(exampleRequest('restartVm')),
    restartProviderMachine(JSON_WANTED),
    restartProviderMachine({ Accept: 'text/html' }),
  ],
  previewSelectedVms: [
    ...inBothTypes(exampleRequest('previewSelectedVms')),
    ...inBothTypes(exampleAs('previewSelectedVms', { body: '{"action":"release"}' })),
  ],
  ...Object.fromEntries(
    (['releaseSelectedVms', 'restartSelectedVms', 'destroySelectedVms'] as const).map((id) => [
      id,
      [
        ...inBothTypes(exampleRequest(id)),
        ...[JSON_WANTED, { Accept: 'text/html' }].map((headers) =>
          whileLaunching(() => withHeaders(exampleRequest(id), headers)),
        ),
      ],
    ]),
  ),
  downloadSelectedVms: [
    downloadsExample,
    ...[JSON_WANTED, { Accept: 'text/html' }].flatMap((headers) => [
      // The machine has a participant who was not named.
      asking(withHeaders(exampleAs('downloadSelectedVms', { body: UNNAMED }), headers)),
      withFiles({}, withHeaders(exampleRequest('downloadSelectedVms'), headers)),
    ]),
  ],
  launchVms: [
    asking(withHeaders({ ...exampleRequest('launchVms'), body: 'num_vms=many' }, JSON_WANTED)),
    whileLaunching(() => withHeaders(exampleRequest('launchVms'), JSON_WANTED)),
  ],
  createOperation: [
    asking(withHeaders({ ...exampleRequest('createOperation'), body: '{"kind":"destroy"}' }, JSON_WANTED)),
    whileLaunching(() => withHeaders(exampleRequest('createOperation'), JSON_WANTED)),
  ],
  destroyVm: [
    ...inBothTypes(exampleRequest('destroyVm')),
    ...[JSON_WANTED, { Accept: 'text/html' }].map((headers) =>
      whileLaunching(() => withHeaders(exampleRequest('destroyVm'), headers)),
    ),
  ],
  deleteVm: [asking(exampleRequest('deleteVm')), whileLaunching(() => exampleRequest('deleteVm'))],
  adoptOrphan: forOrphan('adoptOrphan'),
  terminateOrphan: forOrphan('terminateOrphan'),
  createInstancesPage: [
    asking(exampleAs('createInstancesPage', { path: `/admin/create?participants=${'9'.repeat(21)}` })),
  ],
  deleteInstancesPage: [
    asking(exampleAs('deleteInstancesPage', { path: '/admin/instances/delete?survey=perhaps' })),
  ],
  operationsPage: [asking(exampleAs('operationsPage', { path: '/admin/operations?after=none' }))],
  chartsPage: [asking(exampleAs('chartsPage', { path: '/admin/charts?hours=0' }))],
  destroyVms: [whileLaunching(() => withHeaders(exampleRequest('destroyVms'), JSON_WANTED))],
  cancelOperation: [
    cancelling(JSON_WANTED),
    cancelling({ Accept: 'text/html' }),
    // It has ended.
    asking(withHeaders(exampleRequest('cancelOperation'), JSON_WANTED)),
  ],
  downloadData: [
    withoutMachines(exampleRequest('downloadData')),
    withFiles({ 'notes.txt': 'work' }, exampleRequest('downloadData')),
  ],
  downloadOwnFiles: [withFiles({ 'notes.txt': 'work' }, exampleRequest('downloadOwnFiles'))],
  downloadVmData: [
    withFiles({}, exampleRequest('downloadVmData')),
    withFiles({ 'notes.txt': 'work' }, exampleRequest('downloadVmData')),
  ],
  getAsset: ['app.css', 'success.js', 'favicon.svg'].map((file) => asking({ path: `/static/${file}` })),
};
