// User data: its size, what it carries, and that nothing in it can be taken for a command.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { USER_DATA_LIMIT_BYTES, userData } from '../../infra/user-data.ts';
import { fleetSpec, machineSpec } from './fixture.ts';

const TEN_KB = 10_240;

/** Text that hardly compresses: hashes as base64, always the same. */
function noise(bytes: number): string {
  let text = '';
  for (let index = 0; text.length < bytes; index++)
    text += createHash('sha512').update(String(index)).digest('base64');
  return text.slice(0, bytes);
}

const withScript = (content: string) =>
  userData(fleetSpec({ startupScript: { content, onError: 'fail' } }), machineSpec(1));

function unpacked(data: ReturnType<typeof userData>): string {
  if (!data.ok) throw new Error(data.message);
  return gunzipSync(Buffer.from(data.base64, 'base64')).toString();
}

/** Runs the lines before the boot script itself, then `command`, in a bash with nothing in its environment. */
function inItsEnvironment(text: string, command: string): string {
  const start = text.indexOf('set -Eeuo pipefail');
  const { stdout, stderr, status } = spawnSync('/bin/bash', ['-c', `${text.slice(0, start)}\n${command}`], {
    env: { PATH: process.env['PATH'] },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

describe('the size of user data', () => {
  test('user data without a start-up script is small', () => {
    const data = userData(fleetSpec(), machineSpec(1));
    expect(data.ok).toBe(true);
    expect(data.bytes).toBeLessThan(5_500);
  });

  test('an incompressible start-up script of 10 kB fits into user data', () => {
    const data = withScript(noise(TEN_KB));
    expect(data.ok).toBe(true);
    expect(data.bytes).toBeLessThan(USER_DATA_LIMIT_BYTES * 0.85);
    if (data.ok) expect(Buffer.from(data.base64, 'base64')).toHaveLength(data.bytes);
  });

  test('a start-up script that is too large fails with the sizes and a remedy', () => {
    const data = withScript(noise(3 * TEN_KB));
    expect(data).toMatchObject({ ok: false, limit: 16_384 });
    if (data.ok) return;
    expect(data.bytes).toBeGreaterThan(16_384);
    expect(data.message).toBe(
      `The compressed user data of a machine would have ${data.bytes.toLocaleString('en-US')} bytes, but EC2 accepts 16,384. The start-up script has 30,720.`,
    );
    expect(data.remedy).toContain('Make the start-up script smaller');
  });
});

describe('the content of user data', () => {
  test('user data is a valid bash script, and identical for the same spec', () => {
    const text = unpacked(withScript(noise(TEN_KB)));
    expect(text.startsWith('#!/bin/bash\n')).toBe(true);
    const { status, stderr } = spawnSync('/bin/bash', ['-n'], { input: text, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(withScript(noise(TEN_KB))).toEqual(withScript(noise(TEN_KB)));
  });

  test.each([
    ['quotes and dollars', `echo 'single' "double" \`back\` $HOME $(id) \${VM_NAME} !! \\ \\\\`],
    ['lines that look like the end of a here-document', 'cat <<EOF\nEOF\nEOF\n\n# a comment\n'],
    ['carriage returns, tabs, other alphabets', '\ttab\r\nöäü 日本語 😀\r\n'],
    ['noise', noise(TEN_KB)],
  ])('a start-up script with %s arrives unchanged', (_what, content) => {
    const text = unpacked(withScript(content));
    expect(inItsEnvironment(text, 'base64 -d <<<"$LABLINK_STARTUP" | gunzip')).toBe(content);
  });

  test('the shell does not interpret values', () => {
    const nasty = `'; touch /tmp/x; echo '$(id)\`id\`"\\`;
    const text = unpacked(
      userData(
        fleetSpec({ container: { image: nasty, repository: nasty, software: nasty } }),
        machineSpec(1),
      ),
    );
    const told = inItsEnvironment(
      text,
      'printf "%s\\n" "$LABLINK_IMAGE" "$TUTORIAL_REPO_TO_CLONE" "$SUBJECT_SOFTWARE"',
    );
    expect(told).toBe(`${nasty}\n${nasty}\n${nasty}\n`);
  });

  test('unset values are left out, and the shutdown is the end plus the grace period', () => {
    const text = unpacked(userData(fleetSpec(), machineSpec(1)));
    const told = inItsEnvironment(
      text,
      'echo "${TUTORIAL_REPO_TO_CLONE-unset} ${SUBJECT_SOFTWARE-unset} $LABLINK_END_AT"',
    );
    expect(told).toBe(`unset unset ${Date.parse('2026-11-25T18:30:00Z') / 1_000}\n`);
    const endless = unpacked(userData(fleetSpec(), machineSpec(1, { shutdownAt: null })));
    expect(inItsEnvironment(endless, 'echo "[$LABLINK_END_AT]"')).toBe('[]\n');
  });

  test('a NUL byte and an invalid time are thrown as errors', () => {
    const container = { image: 'a\u0000b', repository: null, software: null };
    expect(() => userData(fleetSpec({ container }), machineSpec(1))).toThrow(
      'LABLINK_IMAGE contains a NUL byte',
    );
    expect(() => userData(fleetSpec(), machineSpec(1, { shutdownAt: 'soon' }))).toThrow(
      'is not a valid shutdown time',
    );
  });

  test('user data contains the token of the machine and no other secret', () => {
    const text = unpacked(userData(fleetSpec(), machineSpec(1)));
    expect(text.split('lvt_token-of-machine-1')).toHaveLength(2);
    expect(text).not.toContain('the token of the forwarder');
    expect(text).not.toContain('ssh-ed25519');
  });
});
