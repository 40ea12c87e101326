// Small texts in the bucket of the state: the check value of a passphrase, and the owner of the state.
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

/** A text that several servers may read and write. Throws CloudError. */
export type SharedText = {
  /** Null = there is none. */
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
};

/** Null if the URL is not that of a bucket. */
export function textInBucket(url: string, name: string): SharedText | null {
  const location = locationInBucket(url, name);
  if (location === null) return null;
  return {
    read: () => withObject(location, ({ read }) => read()),
    write: (text) => withObject(location, ({ put }) => put(text)),
  };
}

function readOrCreate(location: Location, create: () => Promise<string>): Promise<string> {
  return withObject(location, async ({ read, putIfMissing }) => {
    const existing = await read();
    if (existing !== null) return existing;
    const created = await create();
    await putIfMissing(created);
    return (await read()) ?? created;
  });
}

type BucketObject = {
  readonly read: () => Promise<string | null>;
  readonly put: (text: string) => Promise<void>;
  readonly putIfMissing: (text: string) => Promise<void>;
};

async function withObject<T>(
  { bucket, key, region }: Location,
  use: (object: BucketObject) => Promise<T>,
): Promise<T> {
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
  const put = async (Body: string, more = {}): Promise<void> => {
    await client.send(new PutObjectCommand({ ...at, Body, ...more }));
  };
  const object: BucketObject = {
    read: async () => {
      try {
        const { Body } = await client.send(new GetObjectCommand(at));
        return (await Body?.transformToString()) ?? null;
      } catch (error) {
        if (error instanceof NoSuchKey) return null;
        throw error;
      }
    },
    put,
    putIfMissing: async (text) => {
      try {
        await put(text, { IfNoneMatch: '*' });
      } catch (error) {
        if (!(error instanceof S3ServiceException)) throw error;
        if (error.$metadata.httpStatusCode !== PRECONDITION_FAILED) throw error;
      }
    },
  };
  try {
    return await callAws(`reading or writing s3://${bucket}/${key}`, () => use(object));
  } finally {
    client.destroy();
  }
}
