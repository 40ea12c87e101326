// The user data of a machine: quoted environment variables and the boot script (boot/boot.sh), compressed with gzip, which
// cloud-init unpacks. Contains the machine's token and no other secret.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { quoted, withoutComments } from './shell.ts';
import type { ClientVmsSpec, MachineSpec } from './spec.ts';

export type UserData =
  | { readonly ok: true; readonly base64: string; readonly bytes: number }
  | {
      readonly ok: false;
      readonly bytes: number;
      readonly limit: number;
      readonly message: string;
      readonly remedy: string;
    };

/** EC2's limit for the data before base64. */
export const USER_DATA_LIMIT_BYTES = 16_384;

const BEST = { level: 9 } as const;
const SECONDS_PER_MINUTE = 60;

const bootFile = (name: string): string => readFileSync(new URL(`boot/${name}`, import.meta.url), 'utf8');
const FILES = {
  boot: bootFile('boot.sh'),
  end: bootFile('lablink-end.sh'),
  startup: bootFile('custom-startup.sh'),
} as const;

/** Fails if the data is too large. Throws if a value contains a NUL byte. */
export function userData(
  spec: Pick<
    ClientVmsSpec,
    'allocator' | 'region' | 'container' | 'agent' | 'startupScript' | 'graceMinutes' | 'logs'
  >,
  machine: Pick<MachineSpec, 'hostname' | 'token' | 'nvidia' | 'shutdownAt'>,
): UserData {
  const script = spec.startupScript?.content ?? '';
  const environment = {
    ALLOCATOR_URL: spec.allocator.url,
    ALLOCATOR_HOST: new URL(spec.allocator.url).hostname,
    VM_NAME: machine.hostname,
    API_TOKEN: machine.token,
    AWS_REGION: spec.region,
    CLOUD_INIT_LOG_GROUP: spec.logs.group,
    // Left out if not set: a program would try to clone an empty value.
    ...(spec.container.repository !== null && { TUTORIAL_REPO_TO_CLONE: spec.container.repository }),
    ...(spec.container.software !== null && { SUBJECT_SOFTWARE: spec.container.software }),
    STARTUP_ON_ERROR: spec.startupScript?.onError ?? 'continue',
    LABLINK_IMAGE: spec.container.image,
    LABLINK_AGENT: spec.agent,
    LABLINK_NVIDIA: String(machine.nvidia),
    LABLINK_END_AT: shutdownSeconds(machine.shutdownAt, spec.graceMinutes),
    LABLINK_STARTUP: script === '' ? '' : gzipSync(script, BEST).toString('base64'),
  };
  const files = { LABLINK_FILE_END: FILES.end, LABLINK_FILE_STARTUP: FILES.startup };
  const text = [
    '#!/bin/bash',
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(name, value)}`),
    ...Object.entries(files).map(([name, value]) => `${name}=${quoted(name, withoutComments(value))}`),
    withoutComments(FILES.boot),
  ].join('\n');
  const packed = gzipSync(text, BEST);
  if (packed.length <= USER_DATA_LIMIT_BYTES)
    return { ok: true, base64: packed.toString('base64'), bytes: packed.length };
  return tooLarge(packed.length, Buffer.byteLength(script));
}

/** Epoch seconds; empty if the machine never shuts down. */
function shutdownSeconds(shutdownAt: string | null, graceMinutes: number): string {
  if (shutdownAt === null) return '';
  const seconds = Date.parse(shutdownAt) / 1_000 + graceMinutes * SECONDS_PER_MINUTE;
  if (!Number.isFinite(seconds))
    throw new Error(`${JSON.stringify(shutdownAt)} is not a valid shutdown time.`);
  return String(Math.round(seconds));
}

function tooLarge(bytes: number, scriptBytes: number): UserData {
  const limit = USER_DATA_LIMIT_BYTES;
  const script = scriptBytes.toLocaleString('en-US');
  return {
    ok: false,
    bytes,
    limit,
    message: `The compressed user data of a machine would have ${bytes.toLocaleString('en-US')} bytes, but EC2 accepts ${limit.toLocaleString('en-US')}. The start-up script has ${script}.`,
    remedy: 'Make the start-up script smaller: let it download what it needs, or put that into the image.',
  };
}
