// What the start-host simulator checks: how it is called, and that each code is used only once.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export type StartHostCall = {
  /** The arguments from the agent. */
  readonly args: readonly string[];
  /** The variable DISPLAY; undefined if it is not set. */
  readonly display: string | undefined;
  /** The whole standard input. */
  readonly input: string;
  /** The hostname of the VM. */
  readonly hostname: string;
};

/** The code; or everything that is wrong, as sentences. */
export type CheckedCall =
  | { readonly kind: 'valid'; readonly code: string }
  | { readonly kind: 'invalid'; readonly errors: readonly string[] };

const REDIRECT_URL = 'https://remotedesktop.google.com/_/oauthredirect';
const CODE = /^[A-Za-z0-9_/-]+$/;
const PIN = /^[0-9]{6}$/;
const OPTIONS = ['code', 'redirect-url', 'name'] as const;
type Option = (typeof OPTIONS)[number];

/** Stricter than the real start-host. */
export function checkStartHostCall(call: StartHostCall): CheckedCall {
  const values = new Map<Option, string>();
  const errors = [
    ...readArguments(call.args, values),
    ...checkCode(values.get('code')),
    ...checkEqual('--redirect-url', values.get('redirect-url'), REDIRECT_URL),
    ...checkEqual('--name', values.get('name'), call.hostname),
    ...checkDisplay(call.display),
    ...checkPins(call.input),
  ];
  const code = values.get('code');
  return errors.length > 0 || code === undefined ? { kind: 'invalid', errors } : { kind: 'valid', code };
}

function readArguments(args: readonly string[], values: Map<Option, string>): string[] {
  const errors: string[] = [];
  for (const arg of args) {
    const [, name, value] = /^--(?<name>[a-z-]+)=(?<value>[^]*)$/.exec(arg) ?? [];
    const option = OPTIONS.find((known) => known === name);
    if (option === undefined || value === undefined) {
      errors.push(
        `The argument ${quote(arg)} is not allowed; only --code=, --redirect-url= and --name= are.`,
      );
    } else if (values.has(option)) {
      errors.push(`--${option} is given more than once.`);
    } else {
      values.set(option, value);
    }
  }
  for (const option of OPTIONS) if (!values.has(option)) errors.push(`--${option}= is missing.`);
  return errors;
}

/** The code itself is not repeated, because it is a secret. */
function checkCode(code: string | undefined): string[] {
  if (code === undefined || CODE.test(code)) return [];
  return ['--code= is empty or has characters that no code has (letters, digits, "_", "/", "-").'];
}

function checkEqual(option: string, value: string | undefined, expected: string): string[] {
  if (value === undefined || value === expected) return [];
  return [`${option}= is ${quote(value)} but should be ${quote(expected)}.`];
}

function checkDisplay(display: string | undefined): string[] {
  if (display === '') return [];
  return [`DISPLAY is ${display === undefined ? 'not set' : quote(display)} but should be empty.`];
}

/** Nor are PINs. */
function checkPins(input: string): string[] {
  const lines = input.split('\n');
  const [first, second, rest, ...more] = lines;
  if (lines.length < 2) return [`The standard input has fewer than two lines; the PIN is needed twice.`];
  if ((rest ?? '') !== '' || more.length > 0) return ['The standard input has more than the two PINs.'];
  if (first === undefined || !PIN.test(first)) return ['The PIN is not 6 digits.'];
  return first === second ? [] : ['The two PINs are not the same.'];
}

const QUOTED_CHARACTERS = 120;

function quote(text: string): string {
  return JSON.stringify(text.slice(0, QUOTED_CHARACTERS));
}

/** Google's codes live for minutes; after this time a used code is forgotten. */
const CODES_KEPT_MS = 24 * 60 * 60 * 1000;

/** Marks a code as used, whichever VM uses it: an empty file in a shared folder, named by the hash of the code. */
export async function useCode(folder: string, code: string): Promise<'first-use' | 'used-before'> {
  await mkdir(folder, { recursive: true });
  const name = createHash('sha256').update(code).digest('hex');
  try {
    const file = await open(join(folder, name), 'wx');
    await file.close();
    return 'first-use';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return 'used-before';
    throw error;
  }
}

/** Forgets codes that were used long ago. `nowMs` is in milliseconds since the epoch. */
export async function forgetOldCodes(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && nowMs - found.mtimeMs > CODES_KEPT_MS) await rm(path, { force: true });
  }
}
