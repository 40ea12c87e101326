import { describe, expect, test } from 'vitest';
import { buildCrdCommand, parseCrdCommand } from '../../src/vms/crd-command.ts';

const CODE = '4/0Axyz_-abc';
const google = `DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="${CODE}" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)`;

describe('a pasted command', () => {
  test.each([
    ['as Google shows it', google],
    ['in single quotes', google.replaceAll('"', "'")],
    ['without quotes', google.replaceAll('"', '')],
    ['with a space for =', google.replace('--code=', '--code ')],
    ['with curly quotes', google.replace(/"([^"]*)"/g, '\u201c$1\u201d')],
    ['with low opening quotes', google.replace(/"([^"]*)"/g, '\u201e$1\u201c')],
    ['with em dashes', google.replaceAll('--', '\u2014')],
    ['with en dashes', google.replaceAll('--', '\u2013')],
    ['with two en dashes', google.replaceAll('--', '\u2013\u2013')],
    ['with a dash and an en dash', google.replaceAll('--', '-\u2013')],
    ['with non-breaking spaces', google.replaceAll(' ', '\u00a0')],
    ['with zero-width characters', google.replaceAll('--', '\u200b--')],
    ['continued with backslashes', google.replaceAll(' --', ' \\\n  --')],
    ['with Windows line ends', google.replaceAll(' --', '\r\n--')],
    ['broken by a terminal inside its quoted code', google.replace('xyz', 'xy\n   z')],
    ['with a line break after --code=', google.replace('--code=', '--code=\n')],
    ['pasted twice', `${google}\n${google}`],
    ['with blanks around', `\n  ${google}  \n`],
    [
      'for Windows',
      `"%PROGRAMFILES(X86)%\\Google\\Chrome Remote Desktop\\CurrentVersion\\remoting_start_host.exe" --code="${CODE}" --name=%COMPUTERNAME%`,
    ],
    ['as a bare code', CODE],
    ['as a bare code in quotes', ` "${CODE}" `],
    ['in capitals', google.replace('--code', '--CODE')],
  ])('a pasted command is accepted %s', (_how, pasted) => {
    expect(parseCrdCommand(pasted)).toEqual({ ok: true, value: { code: CODE, command: google } });
  });

  test('a pasted command with --code may have a code of any letters', () => {
    expect(parseCrdCommand('--code=abc')).toMatchObject({ ok: true, value: { code: 'abc' } });
  });

  test.each([
    ['nothing', '', 'no_code'],
    ['blanks', '  \n ', 'no_code'],
    ['a word', 'hello', 'no_code'],
    ['another option', '--codex=abc', 'no_code'],
    ['an option that ends in code', '--my--code=abc', 'no_code'],
    ['two codes', `${google} --code=other`, 'several_codes'],
    ['two different commands', `${google}\n${google.replace('xyz', 'uvw')}`, 'several_codes'],
    ['an empty code', '--code=""', 'unreadable_code'],
    ['no value', '--code=', 'unreadable_code'],
    ['a quote that is never closed', '--code="4/0Axyz', 'unreadable_code'],
    ['text glued to the quotes', `--code='4/0Axyz'abc`, 'unreadable_code'],
    ['an unquoted code that goes on in the next line', '--code=4/0Axy\nz_abc --name=x', 'unreadable_code'],
    ['a code of more than 512 characters', `--code=${'a'.repeat(513)}`, 'unreadable_code'],
  ])('a pasted command with %s is refused', (_what, pasted, code) => {
    expect(parseCrdCommand(pasted)).toMatchObject({ ok: false, failure: { code } });
  });

  test.each([
    '--code="4/0A;reboot"',
    '--code="4/0A" ; --code="$(reboot)"',
    '--code=$(reboot)',
    '--code=`reboot`',
    '--code="4/0A\u0000"',
    '--code="4/0A|sh"',
    '--code=4/0A&&reboot',
    '--code="4/0A\\"; reboot; \\""',
    '4/0Axyzabc;reboot',
    '--code="4/0\u0430bcdef"',
  ])('a pasted command that would inject a shell command is refused: %s', (pasted) => {
    expect(parseCrdCommand(pasted).ok).toBe(false);
  });

  test('the VM gets nothing of a pasted command except the code', () => {
    const parsed = parseCrdCommand(`reboot; start-host --code="${CODE}" --name=$(reboot) && rm -rf /`);
    expect(parsed).toEqual({ ok: true, value: { code: CODE, command: buildCrdCommand(CODE) } });
    expect(buildCrdCommand(CODE)).toBe(google);
  });

  test('a very long pasted command is read in time', () => {
    const hostile = `${'--code='.repeat(600)}${' '.repeat(4096)}`;
    expect(parseCrdCommand(hostile).ok).toBe(false);
  });
});
