// Answers for which several requests are needed: a page in the browser of its participant, a poll that a newer one replaces, files on a machine.
import { sql } from 'kysely';
import { z } from 'zod';
import { exampleRequest } from './contract-examples.ts';
import { EXAMPLE } from './example-rows.ts';
import { jsonHeaders, sendRaw, type RawAnswer, type RawRequest } from './raw-http.ts';
import type { Lab, Special } from './special-requests.ts';
import { startSshMachine } from './ssh-machine.ts';
import { withHeaders } from './status-requests.ts';

const JSON_WANTED = { Accept: 'application/json' };

/** Opens the page in the browser that requested the machine. */
export async function openAssignmentPage({ url }: Lab): Promise<RawAnswer> {
  const given = await sendRaw(url, withHeaders(exampleRequest('requestVm'), JSON_WANTED));
  const { assignment_id: id } = z.object({ assignment_id: z.string() }).parse(JSON.parse(given.text));
  const [cookie = ''] = given.headers['set-cookie'] ?? [];
  return sendRaw(url, { path: `/assignments/${id}`, headers: { Cookie: cookie.split(';', 1)[0] ?? '' } });
}

/** Returns the response to the older of two polls. */
export async function supersededPoll({ url, db }: Lab): Promise<RawAnswer> {
  const hostname = 'lablink-vm-prod-2';
  const poll = {
    method: 'POST',
    path: '/vm_startup',
    headers: jsonHeaders,
    body: JSON.stringify({ hostname }),
  };
  const first = sendRaw(url, poll);
  const waits = async (): Promise<boolean> => {
    const { rows } =
      await sql`select from vm_presence where hostname = ${hostname} and waiting_until > now()`.execute(db);
    return rows.length > 0;
  };
  while (!(await waits())) await new Promise((resolve) => setImmediate(resolve));
  const second = sendRaw(url, poll);
  const answer = await first;
  await second;
  return answer;
}

/** The example of the contract, with files on its machine. */
export function downloadsExample(lab: Lab): Promise<RawAnswer> {
  return withFiles({ 'notes.txt': 'work' }, exampleRequest('downloadSelectedVms'))(lab);
}

/** Sends the request while the example's machine is reachable by SSH and has these files. */
export function withFiles(files: Readonly<Record<string, string>>, request: RawRequest): Special {
  return async ({ url, db, dataDir }) => {
    await using machine = await startSshMachine(dataDir, files);
    await db
      .updateTable('vms')
      .set({ provider: 'local', address: '127.0.0.1', ssh_user: machine.user, ssh_port: machine.port })
      .where('hostname', '=', EXAMPLE.hostname)
      .execute();
    return await sendRaw(url, request);
  };
}
