// start-host-stand-in: what runs on local VMs in the place of Google's start-host. It registers nothing anywhere: it
// checks how it was called, takes each code once (and none that says `expired`), and answers as start-host does.
// A program of its own: `<this file> <hostname> <folder of used codes> <registration file>`, then the agent's arguments.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkStartHostCall } from './start-host-check.ts';
import { useCode } from './used-codes.ts';

const INPUT_LIMIT_CHARACTERS = 1_024;
const [hostname = '', usedCodes = '', registration = '', ...args] = process.argv.slice(2);

process.exitCode = await main();

async function main(): Promise<number> {
  say('start-host-stand-in: this machine is a local VM; nothing is registered with Google.');
  const input = await readInput();
  // eslint-disable-next-line no-restricted-properties -- a program of its own, which is to look at this very variable
  const display = process.env['DISPLAY'];
  const checked = checkStartHostCall({ args, display, input, hostname });
  if (!checked.ok) return refuse(checked.faults.map((fault) => `start-host-stand-in: ${fault}`).join('\n'));
  say('Enter a PIN of at least six digits: \nEnter the same PIN again: ');
  if (checked.code.includes('expired')) return refuse(invalidGrant('the code has expired'));
  if ((await useCode(usedCodes, checked.code)) === 'used-before') {
    return refuse(invalidGrant('the code was already used'));
  }
  await mkdir(dirname(registration), { recursive: true });
  await writeFile(
    registration,
    `${JSON.stringify({ name: hostname, registeredAt: new Date().toISOString() })}\n`,
  );
  say('Host started successfully.');
  return 0;
}

/** Google's words for both, without telling which; we tell. */
function invalidGrant(what: string): string {
  return `OAuth error: invalid_grant (code expired or already used; here: ${what}).\nCouldn't start host: OAuth error.`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function refuse(text: string): number {
  process.stderr.write(`${text}\n`);
  return 1;
}

/** As much as could be two PINs, and a little more, so that what is too much is seen. */
async function readInput(): Promise<string> {
  let input = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    input += String(chunk);
    if (input.length > INPUT_LIMIT_CHARACTERS) break;
  }
  return input;
}
