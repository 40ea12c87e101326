// What a start-host stand-in checks of how it is called. Pure.

export type StartHostCall = {
  /** The arguments that the agent gave. */
  readonly args: readonly string[];
  /** The variable DISPLAY; undefined where it is not set. */
  readonly display: string | undefined;
  /** All of the standard input. */
  readonly input: string;
  /** The machine's own name. */
  readonly hostname: string;
};

export type CheckedCall =
  | { readonly ok: true; readonly code: string }
  /** Sentences. */
  | { readonly ok: false; readonly faults: readonly string[] };

const REDIRECT_URL = 'https://remotedesktop.google.com/_/oauthredirect';
const CODE = /^[A-Za-z0-9_/-]+$/;
const PIN = /^[0-9]{6}$/;
const OPTIONS = ['code', 'redirect-url', 'name'] as const;
type Option = (typeof OPTIONS)[number];

/** All that is wrong with a call, or the code that it gives. The real start-host is laxer; an agent should not be. */
export function checkStartHostCall(call: StartHostCall): CheckedCall {
  const values = new Map<Option, string>();
  const faults = [
    ...readArguments(call.args, values),
    ...checkCode(values.get('code')),
    ...checkEqual('--redirect-url', values.get('redirect-url'), REDIRECT_URL),
    ...checkEqual('--name', values.get('name'), call.hostname),
    ...checkDisplay(call.display),
    ...checkPins(call.input),
  ];
  const code = values.get('code');
  return faults.length > 0 || code === undefined ? { ok: false, faults } : { ok: true, code };
}

function readArguments(args: readonly string[], values: Map<Option, string>): string[] {
  const faults: string[] = [];
  for (const arg of args) {
    const [, name, value] = /^--(?<name>[a-z-]+)=(?<value>[^]*)$/.exec(arg) ?? [];
    const option = OPTIONS.find((known) => known === name);
    if (option === undefined || value === undefined) {
      faults.push(
        `The argument ${quote(arg)} is not expected; only --code=, --redirect-url= and --name= are.`,
      );
    } else if (values.has(option)) {
      faults.push(`--${option} is given more than once.`);
    } else {
      values.set(option, value);
    }
  }
  for (const option of OPTIONS) if (!values.has(option)) faults.push(`--${option}= is missing.`);
  return faults;
}

/** The code itself is never repeated: it is a secret while it lives. */
function checkCode(code: string | undefined): string[] {
  if (code === undefined || CODE.test(code)) return [];
  return ['--code= is empty or holds characters that no code has (letters, digits, "_", "/", "-").'];
}

function checkEqual(option: string, value: string | undefined, expected: string): string[] {
  if (value === undefined || value === expected) return [];
  return [`${option}= is ${quote(value)}, and should be ${quote(expected)}.`];
}

function checkDisplay(display: string | undefined): string[] {
  if (display === '') return [];
  return [`DISPLAY is ${display === undefined ? 'not set' : quote(display)}, and should be set to nothing.`];
}

/** PINs are not repeated either. */
function checkPins(input: string): string[] {
  const lines = input.split('\n');
  const [first, second, rest, ...more] = lines;
  if (lines.length < 2) return [`The standard input holds no two lines; the PIN is asked for twice.`];
  if ((rest ?? '') !== '' || more.length > 0) return ['The standard input goes on after the two PINs.'];
  if (first === undefined || !PIN.test(first)) return ['The PIN is not 6 digits.'];
  return first === second ? [] : ['The two PINs are not the same.'];
}

const QUOTED_CHARACTERS = 120;

function quote(text: string): string {
  return JSON.stringify(text.slice(0, QUOTED_CHARACTERS));
}
