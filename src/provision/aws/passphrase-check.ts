// Pulumi encrypts a state without secrets with any passphrase, and does not report a wrong one. So we store a salted hash
// of the passphrase (the check value) next to the state, where all servers that share the state find it.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { mkdir, open, link, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { fail, succeed, type Result } from '../../result.ts';
import { callAws } from './clients.ts';
import { CloudError } from './cloud-error.ts';
import type { RunFailure } from './engine/failure.ts';

/** Where the check value is stored. */
export type CheckLocation =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'bucket';
      readonly bucket: string;
      readonly key: string;
      /** Null = as the environment says. */
      readonly region: string | null;
    };

const TIMEOUT_MS = 15_000;
const PRECONDITION_FAILED = 412;

const deriveBytes = promisify<string, Buffer, number, Buffer>(scrypt);
const SALT_BYTES = 16;
const CHECK_BYTES = 32;

/** Fails if the passphrase differs from the first one that was used with this state. */
export async function checkPassphrase({
  check,
  passphrase,
}: {
  readonly check: CheckLocation | null;
  readonly passphrase: string | null;
}): Promise<Result<undefined, RunFailure>> {
  if (check === null || passphrase === null) return succeed();
  try {
    const stored = await readOrCreate(check, () => checkValue(passphrase));
    const [salt = '', value = ''] = stored.trim().split(':');
    const actual = await deriveBytes(passphrase, Buffer.from(salt, 'base64'), CHECK_BYTES);
    const expected = Buffer.from(value, 'base64');
    const isEqual = expected.length === actual.length && timingSafeEqual(expected, actual);
    return isEqual ? succeed() : fail(WRONG_PASSPHRASE);
  } catch (error) {
    if (error instanceof CloudError) return fail(error.failure);
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return fail({
      code: 'engine',
      message: `The folder of the Pulumi state cannot be used: ${error.message}.`,
      remedy:
        'Free some space there, or allow the user of this server to write to it (DATA_DIR, PULUMI_BACKEND_URL).',
    });
  }
}

const WRONG_PASSPHRASE: RunFailure = {
  code: 'credentials',
  message: 'The passphrase is not the one that the Pulumi state was created with.',
  remedy:
    'Set PULUMI_CONFIG_PASSPHRASE to the previous passphrase, or restore the file pulumi-passphrase in the data folder.',
};

async function checkValue(passphrase: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const value = await deriveBytes(passphrase, salt, CHECK_BYTES);
  return `${salt.toString('base64')}:${value.toString('base64')}\n`;
}

/** Of a backend URL like `s3://bucket/folder?region=…`; null for other URLs. */
export function locationInBucket(url: string, name: string): CheckLocation | null {
  if (!url.startsWith('s3://')) return null;
  const { hostname: bucket, pathname, searchParams } = new URL(url);
  const folder = pathname.replace(/^\/+|\/+$/g, '');
  return {
    kind: 'bucket',
    bucket,
    key: folder === '' ? name : `${folder}/${name}`,
    region: searchParams.get('region'),
  };
}

/** Reads the value, and creates it if there is none. Concurrent calls return the same value. */
function readOrCreate(location: CheckLocation, create: () => Promise<string>): Promise<string> {
  return location.kind === 'file' ? inFile(location.path, create) : inBucket(location, create);
}

async function inFile(path: string, create: () => Promise<string>): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const existing = await readIfExists(path);
  if (existing !== null) return existing;
  // Atomic: no passphrase would ever match half a check value.
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(await create());
    await file.sync();
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path, 'utf8');
}

async function readIfExists(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

type Bucket = Extract<CheckLocation, { kind: 'bucket' }>;

async function inBucket({ bucket, key, region }: Bucket, create: () => Promise<string>): Promise<string> {
  // The S3 client is loaded at its first use.
  const { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client, S3ServiceException } =
    await import('@aws-sdk/client-s3');
  const client = new S3Client({
    ...(region !== null && { region }),
    followRegionRedirects: true,
    forcePathStyle: true,
    requestHandler: { connectionTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS },
  });
  const at = { Bucket: bucket, Key: key };
  const read = async (): Promise<string | null> => {
    try {
      const { Body } = await client.send(new GetObjectCommand(at));
      return (await Body?.transformToString()) ?? null;
    } catch (error) {
      if (error instanceof NoSuchKey) return null;
      throw error;
    }
  };
  try {
    return await callAws(`reading s3://${bucket}/${key}`, async () => {
      const existing = await read();
      if (existing !== null) return existing;
      const created = await create();
      try {
        await client.send(new PutObjectCommand({ ...at, Body: created, IfNoneMatch: '*' }));
      } catch (error) {
        if (!(error instanceof S3ServiceException)) throw error;
        if (error.$metadata.httpStatusCode !== PRECONDITION_FAILED) throw error;
      }
      return (await read()) ?? created;
    });
  } finally {
    client.destroy();
  }
}
