// Answers for which several requests are needed: a page in the browser of its participant, and a poll that a newer one replaces.
import { sql } from 'kysely';
import { z } from 'zod';
import { exampleRequest } from './contract-examples.ts';
import { jsonHeaders, sendRaw, type RawAnswer } from './raw-http.ts';
import type { Lab } from './special-requests.ts';
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
