// Simulates Google's start-host on local VMs: registers nothing with Google, checks its arguments, accepts each code once (and
// none that contains `expired`), and answers as start-host does. In the agent's process: a Node process for each participant
// would take longer than everything else that happens when a workshop begins.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ProgramEnd, ProgramSpec } from '../../agent/program.ts';
import { checkStartHostCall, useCode } from './start-host-check.ts';

/** The program's name for the agent. */
export const START_HOST = 'simulated-start-host';

export type SimulatedHost = {
  readonly hostname: string;
  /** A folder. */
  readonly usedCodes: string;
  /** The file that a registration writes. */
  readonly registration: string;
};

const GREETING = 'start-host simulator: this machine is a local VM; nothing is registered with Google.';
const PROMPT = 'Enter a PIN of at least six digits: \nEnter the same PIN again: ';

export async function simulateStartHost(
  { args, environment, input }: Pick<ProgramSpec, 'args' | 'environment' | 'input'>,
  { hostname, usedCodes, registration }: SimulatedHost,
): Promise<ProgramEnd> {
  const checked = checkStartHostCall({ args, display: environment['DISPLAY'], input, hostname });
  if (checked.kind === 'invalid')
    return exit(1, GREETING, ...checked.errors.map((error) => `start-host simulator: ${error}`));
  if (checked.code.includes('expired'))
    return exit(1, GREETING, PROMPT, invalidGrant('the code has expired'));
  if ((await useCode(usedCodes, checked.code)) === 'used-before')
    return exit(1, GREETING, PROMPT, invalidGrant('the code was already used'));
  await mkdir(dirname(registration), { recursive: true });
  const registered = { name: hostname, registeredAt: new Date().toISOString() };
  await writeFile(registration, `${JSON.stringify(registered)}\n`);
  return exit(0, GREETING, PROMPT, 'Host started successfully.');
}

/** Google's message is the same for both reasons; this one adds the reason. */
function invalidGrant(reason: string): string {
  return `OAuth error: invalid_grant (code expired or already used; here: ${reason}).\nCouldn't start host: OAuth error.`;
}

function exit(code: number, ...lines: readonly string[]): ProgramEnd {
  return { kind: 'exited', code, output: lines.map((line) => `${line}\n`).join('') };
}
