// Simulates Google's start-host on local VMs: registers nothing with Google, checks its arguments, accepts each code once (and
// none that contains `expired`), and answers as start-host does.
// A program: `<this file> <hostname> <folder of used codes> <registration file>`, then the arguments from the agent.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkStartHostCall, useCode } from './start-host-check.ts';

const INPUT_LIMIT_CHARACTERS = 1_024;
const [hostname = '', usedCodes = '', registration = '', ...args] = process.argv.slice(2);

process.exitCode = await main();

async function main(): Promise<number> {
  print('start-host simulator: this machine is a local VM; nothing is registered with Google.');
  const input = await readInput();
  // eslint-disable-next-line no-restricted-properties -- this program must check this variable
  const display = process.env['DISPLAY'];
  const checked = checkStartHostCall({ args, display, input, hostname });
  if (checked.kind === 'invalid')
    return refuse(checked.errors.map((error) => `start-host simulator: ${error}`).join('\n'));
  print('Enter a PIN of at least six digits: \nEnter the same PIN again: ');
  if (checked.code.includes('expired')) return refuse(invalidGrant('the code has expired'));
  if ((await useCode(usedCodes, checked.code)) === 'used-before') {
    return refuse(invalidGrant('the code was already used'));
  }
  await mkdir(dirname(registration), { recursive: true });
  await writeFile(
    registration,
    `${JSON.stringify({ name: hostname, registeredAt: new Date().toISOString() })}\n`,
  );
  print('Host started successfully.');
  return 0;
}

/** Google's message is the same for both reasons; this one adds the reason. */
function invalidGrant(reason: string): string {
  return `OAuth error: invalid_grant (code expired or already used; here: ${reason}).\nCouldn't start host: OAuth error.`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function refuse(text: string): number {
  process.stderr.write(`${text}\n`);
  return 1;
}

/** A little more than two PINs, so that extra input is noticed. */
async function readInput(): Promise<string> {
  let input = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    input += String(chunk);
    if (input.length > INPUT_LIMIT_CHARACTERS) break;
  }
  return input;
}
