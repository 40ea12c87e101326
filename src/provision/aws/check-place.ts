// Where the check value of the passphrase lies: beside the state, so that all who use the state meet the same one.
import { randomBytes } from 'node:crypto';
import { mkdir, open, link, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asking } from './clients.ts';

export type CheckPlace =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'bucket';
      readonly bucket: string;
      readonly key: string;
      /** Null where the environment says it. */
      readonly region: string | null;
    };

const TIMEOUT_MS = 15_000;
const PRECONDITION_FAILED = 412;

/** `s3://bucket/folder?region=…`, as the engine takes it; null where it is something else. */
export function bucketPlace(url: string, name: string): CheckPlace | null {
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

/** The value that lies there; where none does, `value` is put there. Two at once get the same one. */
export async function readOrKeep(place: CheckPlace, value: () => Promise<string>): Promise<string> {
  return place.kind === 'file' ? inFile(place.path, value) : inBucket(place, value);
}

async function inFile(path: string, value: () => Promise<string>): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const kept = await readIfThere(path);
  if (kept !== null) return kept;
  // Whole or not at all: half a check value would be a wrong passphrase for ever.
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(await value());
    await file.sync();
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path, 'utf8');
}

async function readIfThere(path: string): Promise<string | null> {
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

type Bucket = Extract<CheckPlace, { kind: 'bucket' }>;

async function inBucket({ bucket, key, region }: Bucket, value: () => Promise<string>): Promise<string> {
  // Loaded only where it is used.
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
    return await asking(`reading s3://${bucket}/${key}`, async () => {
      const kept = await read();
      if (kept !== null) return kept;
      const made = await value();
      try {
        await client.send(new PutObjectCommand({ ...at, Body: made, IfNoneMatch: '*' }));
      } catch (error) {
        if (!(error instanceof S3ServiceException)) throw error;
        if (error.$metadata.httpStatusCode !== PRECONDITION_FAILED) throw error;
      }
      return (await read()) ?? made;
    });
  } finally {
    client.destroy();
  }
}
