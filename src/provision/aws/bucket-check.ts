// The check value of a passphrase in the bucket of the state.
import { fail, succeed } from '../../result.ts';
import type { CheckStore } from '../engine/passphrase-check.ts';
import { callAws, userAgent } from './clients.ts';
import { CloudError } from './cloud-error.ts';

const TIMEOUT_MS = 15_000;
const PRECONDITION_FAILED = 412;

type Location = {
  readonly bucket: string;
  readonly key: string;
  /** Null = as the environment says. */
  readonly region: string | null;
};

/** Of a backend URL like `s3://bucket/folder?region=…`; null for other URLs. */
export function locationInBucket(url: string, name: string): Location | null {
  if (!url.startsWith('s3://')) return null;
  const { hostname: bucket, pathname, searchParams } = new URL(url);
  const folder = pathname.replace(/^\/+|\/+$/g, '');
  return { bucket, key: folder === '' ? name : `${folder}/${name}`, region: searchParams.get('region') };
}

/** Null if the URL is not that of a bucket. */
export function checkInBucket(url: string, name: string): CheckStore | null {
  const location = locationInBucket(url, name);
  if (location === null) return null;
  return {
    readOrCreate: async (create) => {
      try {
        return succeed(await readOrCreate(location, create));
      } catch (error) {
        if (error instanceof CloudError) return fail(error.failure);
        throw error;
      }
    },
  };
}

async function readOrCreate(
  { bucket, key, region }: Location,
  create: () => Promise<string>,
): Promise<string> {
  // The S3 client is loaded at its first use.
  const { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client, S3ServiceException } =
    await import('@aws-sdk/client-s3');
  const client = new S3Client({
    ...(region !== null && { region }),
    followRegionRedirects: true,
    forcePathStyle: true,
    ...userAgent,
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
