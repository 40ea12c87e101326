// Allocators as processes on one Postgres, and those who ask them: a machine and a participant as programs, each of which asks again
// until it is answered.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { TestDatabase } from './postgres.ts';
import { startProgram, type Program } from './program.ts';
import { formHeaders, postJson, sendRaw, type RawAnswer } from './raw-http.ts';
import { ADMIN } from './server.ts';

/** How soon a program asks again after a lost connection or a 503. */
const AGAIN_MS = 250;
export const COMMAND = 'start-host --code="4/0Aone" --redirect-url="https://example.org"';

/** For their data. */
export async function makeFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-shared-'));
  stack.defer(() => rm(folder, { recursive: true }));
  // The user of Postgres may pass: otherwise a server that runs as root keeps its data elsewhere, and leaves it there.
  await chmod(folder, 0o711);
  return folder;
}

/** @param main the program of another version */
export function startSharing(
  { connectionString }: TestDatabase,
  folder: string,
  name: string,
  main?: string,
): Program {
  return startProgram(
    ['serve'],
    {
      DATA_DIR: join(folder, name),
      DATABASE_URL: connectionString,
      SECRET_KEY: 'the secret of both allocators of this database',
      ADMIN_PASSWORD: ADMIN.password,
      PROVIDER: 'external',
      LOG_LEVEL: 'warn',
    },
    main === undefined ? {} : { main },
  );
}

/** How many machines wait for a participant at each of the allocators where one waits. */
export async function whereWaiting({ db }: TestDatabase): Promise<{ allocator: string; count: number }[]> {
  const { rows } = await sql<{ allocator: string; count: number }>`
    select p.waits_at as allocator, count(*)::int as count from vm_presence p join vms v using (hostname)
    where p.waiting_until > now() and v.assignment_id is null group by p.waits_at`.execute(db);
  return rows;
}

/** Sends it until it is answered with 200. Every other answer must be a 503 that says when to ask again. */
export async function until200(send: () => Promise<RawAnswer>): Promise<RawAnswer> {
  for (;;) {
    const answer = await send().catch(() => null);
    if (answer?.status === 200 && answer.text.trim() !== '') return answer;
    if (answer !== null) {
      expect(answer).toMatchObject({ status: 503 });
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    }
    await delay(AGAIN_MS);
  }
}

/** Where the next request goes. */
type Where = string | (() => string);
const urlOf = (where: Where): string => (typeof where === 'string' ? where : where());

/** A machine: polls until it has a command. */
export async function waitForPin(where: Where, hostname: string): Promise<string> {
  for (;;) {
    const { text } = await until200(() => postJson(urlOf(where), '/vm_startup', { hostname }));
    const told = JSON.parse(text) as { readonly status: string; readonly pin?: string };
    if (told.pin !== undefined) return told.pin;
    await delay(AGAIN_MS);
  }
}

export type Given = {
  readonly hostname: string;
  readonly pin: string;
  readonly cookie: string;
  readonly assignmentId: string;
};

/** A participant: sends the form until there is a machine. */
export async function askForVm(where: Where, email: string, cookie = ''): Promise<Given> {
  const { text, headers } = await until200(() =>
    sendRaw(urlOf(where), {
      method: 'POST',
      path: '/api/request_vm',
      headers: { ...formHeaders, Accept: 'application/json', Cookie: cookie },
      body: new URLSearchParams({ email, crd_command: COMMAND }).toString(),
    }),
  );
  const given = JSON.parse(text) as { hostname: string; pin: string; assignment_id: string };
  const [set = cookie] = headers['set-cookie'] ?? [];
  return {
    hostname: given.hostname,
    pin: given.pin,
    cookie: set.split(';')[0] ?? '',
    assignmentId: given.assignment_id,
  };
}
