// Rows for tests of the database.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { requestVm, type VmRequest, type VmRequestResult } from '../../src/db/request.ts';

/** Inserts free machines with these names. */
export async function insertFreeVms(db: Db, hostnames: readonly string[]): Promise<void> {
  if (hostnames.length === 0) return;
  await db
    .insertInto('vms')
    .values(hostnames.map((hostname) => ({ hostname, provider: 'external', status: 'running' })))
    .execute();
}

export function vmNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `lablink-vm-test-${index + 1}`);
}

export const CHANNEL = 'vm_updates';

/** A valid request; the browser's id is derived from the e-mail. */
export function vmRequest(email: string, parts: Partial<VmRequest> = {}): VmRequest {
  return {
    assignmentId: crypto.randomUUID(),
    email,
    browserId: `browser of ${email}`,
    crdCommand: 'start-host --code="4/0Aone"',
    pin: '123456',
    address: '192.0.2.7',
    network: '192.0.2.7',
    pinWaitSeconds: 0,
    channel: CHANNEL,
    givenPin: null,
    bounds: { perBrowser: 0, perAddress: 0 },
    settingsVersion: null,
    mayClaim: true,
    ...parts,
  };
}

/** Requests a machine, and expects to get one. */
export async function giveVm(
  db: Db,
  email: string,
  parts: Partial<VmRequest> = {},
): Promise<Extract<VmRequestResult, { hostname: string }>> {
  const result = await requestVm(db, vmRequest(email, parts));
  if (!('hostname' in result)) throw new Error(`expected a machine, got ${result.kind}`);
  return result;
}

/** Backdates the live command of an e-mail. */
export async function ageCommand(db: Db, email: string, seconds: number): Promise<void> {
  await db
    .updateTable('assignments')
    .set({ command_at: sql<Date>`command_at - make_interval(secs => ${seconds})` })
    .where('email', '=', email)
    .execute();
}

/** Sets this machine to running and assigns it; no other machine may be free. */
export async function giveThisVm(db: Db, hostname: string, email = 'ada@example.org'): Promise<void> {
  await db.updateTable('vms').set({ status: 'running' }).where('hostname', '=', hostname).execute();
  await giveVm(db, email);
}
