// Requests that are wrong in one way each, with the expected status.
import { adminHeaders, formHeaders, jsonHeaders, type RawRequest } from './raw-http.ts';
import { DESTROYED, EXAMPLE, FREE, RELEASED_ID } from './example-rows.ts';

const VM = EXAMPLE.hostname;
const LONG = 'h'.repeat(5_000);
const BODY_LIMIT_BYTES = 65_536;
const LOGS_LIMIT_BYTES = 4_194_304;
const NUL_ESCAPED = String.raw`\u0000`;

export const REGISTRATION_TOKEN = 'registrar-of-the-tests-1';

export type Case = readonly [what: string, status: number, request: RawRequest];

const json = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}): RawRequest => ({
  method: 'POST',
  path,
  body,
  headers: { ...jsonHeaders, ...headers },
});
const report = (path: string, body: unknown): RawRequest => json(path, JSON.stringify(body));
export const form = (
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): RawRequest => ({
  method: 'POST',
  path,
  body,
  headers: { ...formHeaders, ...headers },
});
export const asAdmin = ({ headers, ...request }: RawRequest): RawRequest => ({
  ...request,
  headers: { ...adminHeaders, ...headers },
});

const HEARTBEAT = `/api/v1/vms/${VM}/heartbeat`;
const OUTCOME = `/api/v1/assignments/${EXAMPLE.assignmentId}/outcome`;
export const LOGS = { log_group: 'g', log_stream: VM, messages: ['x'] };

export const unreadable: readonly Case[] = [
  ['an empty body', 400, json('/api/vm-status', '')],
  ['truncated JSON', 400, json('/api/vm-status', `{"hostname": "${VM}", "status": `)],
  ['two JSON values', 400, json('/api/vm-status', '{}{}')],
  ['a trailing comma', 400, json('/api/vm-status', `{"hostname": "${VM}", "status": "running",}`)],
  ['a body that is not UTF-8', 400, json('/api/vm-status', Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
  ['a lone NUL byte', 400, json('/api/vm-status', '\0')],
  ['a raw NUL byte in a string', 400, json('/api/vm-status', `{"hostname": "a\0b", "status": "running"}`)],
  ['a number', 400, json('/api/vm-status', '1')],
  ['null', 400, json('/api/vm-status', 'null')],
  ['a list', 400, json('/api/vm-status', '[]')],
  ['a string', 400, json('/api/vm-status', '"running"')],
  ['200,000 brackets', 413, json('/api/vm-status', '['.repeat(200_000))],
  ['30,000 brackets', 400, json('/api/vm-status', '['.repeat(30_000))],
  ['a form with broken escapes', 400, form('/api/request_vm', 'email=%zz&crd_command=%')],
  ['a form that is not UTF-8', 400, form('/api/request_vm', 'email=%ff%fe&crd_command=x')],
  ['a gzip body that is not gzip', 400, json('/api/vm-status', 'hello', { 'Content-Encoding': 'gzip' })],
];

export const wrongTypes: readonly Case[] = [
  ['a hostname that is a number', 400, report('/api/vm-status', { hostname: 123, status: 'running' })],
  ['a hostname that is null', 400, report('/api/vm-status', { hostname: null, status: 'running' })],
  ['a hostname that is a list', 400, report('/vm_startup', { hostname: [VM] })],
  ['no hostname', 400, report('/vm_startup', {})],
  ['no status', 400, report('/api/vm-status', { hostname: VM })],
  ['a status outside the enum', 400, report('/api/vm-status', { hostname: VM, status: 'on fire' })],
  ['a status reserved for the server', 400, report('/api/vm-status', { hostname: VM, status: 'destroying' })],
  ['a status in another case', 400, report('/api/vm-status', { hostname: VM, status: 'Running' })],
  ['an in-use status as a string', 400, report('/api/update_inuse_status', { hostname: VM, status: 'true' })],
  ['an in-use status as a number', 400, report('/api/update_inuse_status', { hostname: VM, status: 1 })],
  ['an in-use report without a status', 400, report('/api/update_inuse_status', { hostname: VM })],
  ['an unknown GPU status', 400, report('/api/gpu_health', { hostname: VM, gpu_status: 'fine' })],
  ['a GPU report without a status', 400, report('/api/gpu_health', { hostname: VM })],
  ['a time before 1970', 400, report(`/api/vm-metrics/${VM}`, { cloud_init_start: -1 })],
  ['a time as a string', 400, report(`/api/vm-metrics/${VM}`, { cloud_init_start: '1678886400' })],
  ['a time that is out of range', 400, json(`/api/vm-metrics/${VM}`, '{"cloud_init_start": 1e999}')],
  ['a negative duration', 400, report(`/api/vm-metrics/${VM}`, { cloud_init_duration_seconds: -0.1 })],
  ['log lines that are numbers', 400, report('/api/vm-logs', { ...LOGS, messages: [1] })],
  ['log lines as one string', 400, report('/api/vm-logs', { ...LOGS, messages: 'x' })],
  ['10,001 log lines', 400, report('/api/vm-logs', { ...LOGS, messages: new Array(10_001).fill('') })],
  ['an empty log stream', 400, report('/api/vm-logs', { ...LOGS, log_stream: '' })],
  ['more event ids than lines', 400, report('/api/vm-logs', { ...LOGS, event_ids: ['a', 'b'] })],
  ['a heartbeat without a boot id', 400, report(HEARTBEAT, {})],
  ['a negative disk size', 400, report(HEARTBEAT, { boot_id: 'b', free_disk_bytes: -1 })],
  ['a disk size with half a byte', 400, report(HEARTBEAT, { boot_id: 'b', free_disk_bytes: 0.5 })],
  ['a disk size that is out of range', 400, json(HEARTBEAT, '{"boot_id": "b", "free_disk_bytes": 1e300}')],
  ['an unknown outcome', 400, report(OUTCOME, { hostname: VM, outcome: 'maybe' })],
  ['a command number of 0', 400, report(OUTCOME, { hostname: VM, outcome: 'failed', command_number: 0 })],
  ['an invalid assignment id', 400, report(`/api/v1/vms/${VM}/recycled`, { assignment_id: 'x' })],
  ['a port above 65,535', 400, asAdmin(report('/api/v1/vms', { hostname: 'pc', ssh_port: 65_536 }))],
  ['a user with a space', 400, asAdmin(report('/api/v1/vms', { hostname: 'pc', ssh_user: 'a b' }))],
  ['an address like an option', 400, asAdmin(report('/api/v1/vms', { hostname: 'pc', address: '-oX' }))],
  ['limit=0', 400, asAdmin({ path: '/api/v1/vms?limit=0' })],
  ['limit=1e1', 400, asAdmin({ path: '/api/v1/vms?limit=1e1' })],
  ['a status filter outside the enum', 400, asAdmin({ path: '/api/v1/vms?status=gone' })],
];

export const names: readonly Case[] = [
  ['a NUL in a hostname', 400, json('/api/vm-status', `{"hostname":"a${NUL_ESCAPED}","status":"running"}`)],
  ['a NUL in an outcome', 400, report(OUTCOME, { hostname: VM, outcome: 'failed', message: 'a\0' })],
  ['a NUL in a log group', 400, report('/api/vm-logs', { ...LOGS, log_group: '\0' })],
  ['a NUL in a GPU status', 400, report('/api/gpu_health', { hostname: VM, gpu_status: 'N/A\0' })],
  ['a NUL in a search', 400, asAdmin({ path: '/api/v1/vms?search=%00' })],
  ['a hostname of 5,000 characters', 400, report('/api/vm-status', { hostname: LONG, status: 'running' })],
  ['a polling hostname of 5,000 characters', 400, report('/vm_startup', { hostname: LONG })],
  ['a path of 5,000 characters', 400, { path: `/api/vm-status/${LONG}` }],
  ['a path of 5,000 characters for metrics', 400, report(`/api/vm-metrics/${LONG}`, {})],
  ['a hostname with a slash', 400, report('/api/vm-status', { hostname: 'a/b', status: 'running' })],
  ['a hostname with a line break', 400, report('/api/vm-status', { hostname: 'a\n', status: 'running' })],
  ['a hostname that consists of dots', 400, report('/api/vm-status', { hostname: '..', status: 'running' })],
  ['a hostname like an option', 400, report('/api/vm-status', { hostname: '-rf', status: 'running' })],
  ['HTML as a hostname', 400, report('/api/vm-status', { hostname: '<b>', status: 'running' })],
  ['SQL as a hostname', 400, report('/api/vm-status', { hostname: "a'--", status: 'running' })],
  ['an emoji as a hostname', 400, report('/api/vm-status', { hostname: '🖥', status: 'running' })],
  ['%00 in a path', 400, { path: '/api/vm-status/%00' }],
  ['%00 after a name', 400, { path: `/api/vm-status/${VM}%00` }],
  ['a broken escape in a path', 400, { path: '/api/vm-status/%zz' }],
  ['half an escape sequence in a path', 400, { path: '/api/vm-status/%' }],
  ['a path that is not UTF-8', 400, { path: '/api/vm-status/%ff' }],
  ['a broken escape in a page', 400, asAdmin({ path: '/admin/logs/%c3%28' })],
  ['%00 in a page', 400, asAdmin({ path: '/admin/logs/%00' })],
  ['%2e%2e in a static file', 400, { path: '/static/%2e%2e%2fpackage.json' }],
  ['%00 in a static file', 400, { path: '/static/app.css%00' }],
  ['an invalid id', 400, asAdmin({ path: '/api/v1/assignments/1' })],
  ['an id in upper case', 400, { path: `/assignments/${EXAMPLE.assignmentId.toUpperCase()}` }],
  ['a broken escape in an unknown path', 404, { path: '/nowhere/%zz' }],
];

const XML = { 'Content-Type': 'application/xml' };
export const wrongBodies: readonly Case[] = [
  ['JSON as XML', 415, json('/api/vm-status', '{}', XML)],
  ['JSON as a form', 415, form('/api/vm-status', `hostname=${VM}&status=running`)],
  ['JSON without a content type', 415, { method: 'POST', path: '/api/vm-status', body: '{}' }],
  [
    'JSON as Latin-1',
    415,
    json('/api/vm-status', '{}', { 'Content-Type': 'application/json; charset=latin1' }),
  ],
  ['a form as JSON', 415, json('/api/request_vm', '{"email":"a@example.org","crd_command":"4/0A"}')],
  [
    'a form in parts',
    415,
    form('/api/request_vm', '', { 'Content-Type': 'multipart/form-data; boundary=x' }),
  ],
  ['an unsupported content encoding', 415, json('/api/vm-status', '{}', { 'Content-Encoding': 'compress' })],
  ['a report over the limit', 413, json('/api/vm-status', ' '.repeat(BODY_LIMIT_BYTES + 1))],
  ['a form over the limit', 413, form('/api/request_vm', `email=${'a'.repeat(BODY_LIMIT_BYTES)}`)],
  ['logs over the limit', 413, json('/api/vm-logs', ' '.repeat(LOGS_LIMIT_BYTES + 1))],
  ['a body of ten times the limit', 413, json('/api/gpu_health', ' '.repeat(10 * BODY_LIMIT_BYTES))],
  [
    'a chunked body over the limit',
    413,
    json('/api/vm-status', ' '.repeat(3 * BODY_LIMIT_BYTES), { 'Transfer-Encoding': 'chunked' }),
  ],
];

export const unknown: readonly Case[] = [
  [
    'an in-use report of an unknown VM',
    404,
    report('/api/update_inuse_status', { hostname: 'nobody', status: true }),
  ],
  [
    'the GPU health of an unknown VM',
    404,
    report('/api/gpu_health', { hostname: 'nobody', gpu_status: 'N/A' }),
  ],
  ['metrics of an unknown VM', 404, report('/api/vm-metrics/nobody', { cloud_init_start: 1 })],
  ['logs of an unknown VM', 404, report('/api/vm-logs', { ...LOGS, log_stream: 'nobody' })],
  ['a heartbeat of an unknown VM', 404, report('/api/v1/vms/nobody/heartbeat', { boot_id: 'b' })],
  ['a poll of an unknown VM', 404, report('/vm_startup', { hostname: 'nobody' })],
  ['the recycling of an unknown VM', 404, report('/api/v1/vms/nobody/recycled', {})],
  [
    'an outcome of an unknown assignment',
    404,
    report(`/api/v1/assignments/${crypto.randomUUID()}/outcome`, { hostname: VM, outcome: 'failed' }),
  ],
  ["an outcome of another VM's assignment", 404, report(OUTCOME, { hostname: FREE[0], outcome: 'failed' })],
  [
    'an outcome of a released assignment',
    409,
    report(`/api/v1/assignments/${RELEASED_ID}/outcome`, {
      hostname: 'lablink-vm-prod-6',
      outcome: 'failed',
    }),
  ],
  [
    'an outcome of a later command',
    409,
    report(OUTCOME, { hostname: VM, outcome: 'failed', command_number: 2 }),
  ],
  ['a hostname that exists', 409, asAdmin(report('/api/v1/vms', { hostname: VM }))],
  ['the hostname of a destroyed VM', 409, asAdmin(report('/api/v1/vms', { hostname: DESTROYED }))],
  ['an unknown field from an admin', 400, asAdmin(report('/api/v1/vms', { hostname: 'pc', colour: 'red' }))],
  ['an unknown query parameter from an admin', 400, asAdmin({ path: '/api/v1/vms?colour=red' })],
  [
    'an unknown field from an integrator',
    400,
    json('/api/v1/vms', '{"hostname":"pc","colour":"red"}', {
      Authorization: `Bearer ${REGISTRATION_TOKEN}`,
    }),
  ],
  ['an unsupported method', 405, { method: 'DELETE', path: '/api/vm-status' }],
  ['TRACE', 405, { method: 'TRACE', path: '/api/vm-status' }],
  ['an unknown path', 404, { path: '/api/v2/vms' }],
  ['a trailing slash', 404, { path: '/api/vm-status/' }],
  ['dots in a path', 404, { path: '/static/../package.json' }],
  ['a wrong token', 401, json('/api/vm-status', '{}', { Authorization: 'Bearer wrong' })],
  ['a wrong password', 401, { path: '/admin', headers: { Authorization: 'Basic YWRtaW46d3Jvbmc=' } }],
  ['malformed credentials', 401, { path: '/admin', headers: { Authorization: 'Basic !!!' } }],
  ['headers of 50,000 bytes', 431, { path: '/', headers: { 'X-Long': 'x'.repeat(50_000) } }],
];
