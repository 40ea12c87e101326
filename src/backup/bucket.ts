// Backups in a bucket of S3, whose client is loaded when it is needed: it belongs to what AWS needs.
import { Readable, Transform, type Writable } from 'node:stream';
import { version } from '../version.ts';
import { BackupFault } from './fault.ts';
import type { BackupPlace } from './place.ts';

const CONNECTION_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Of which two are held in memory; 10,000 of them are the largest backup. */
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 2;

/** Fails where the packages are not installed. */
export async function loadClient() {
  const [s3, { Upload }] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')]);
  return { ...s3, Upload };
}

/** @param url like `s3://bucket/prefix?region=…` */
export function bucketPlace(url: string): BackupPlace {
  const { hostname: bucket, pathname, searchParams } = new URL(url);
  const folder = pathname.replaceAll(/^\/+|\/+$/g, '');
  const keyOf = (name: string): string => (folder === '' ? name : `${folder}/${name}`);
  const at = (name: string) => ({ Bucket: bucket, Key: keyOf(name) });
  const region = searchParams.get('region');
  const withClient = <T>(use: (aws: Aws) => Promise<T>): Promise<T> =>
    useClient(region, `s3://${bucket}/${folder}`, use);
  return {
    addressOf: (name) => `s3://${bucket}/${keyOf(name)}`,
    put: (name, write) => withClient((aws) => upload(aws, at(name), write)),
    list: () =>
      withClient(async ({ client, paginateListObjectsV2 }) => {
        const names: string[] = [];
        const prefix = keyOf('');
        for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix }))
          for (const { Key: key = '' } of page.Contents ?? []) names.push(key.slice(prefix.length));
        return names.filter((name) => name !== '' && !name.includes('/'));
      }),
    remove: (name) =>
      withClient(async ({ client, DeleteObjectCommand }) => {
        await client.send(new DeleteObjectCommand(at(name)));
      }),
    read: async (name) => {
      // A name that is not there, or may not be read, is refused with a remedy.
      await withClient(({ client, HeadObjectCommand }) => client.send(new HeadObjectCommand(at(name))));
      const { GetObjectCommand, S3Client } = await loadClient();
      const client = new S3Client(settings(region));
      const { Body } = await client.send(new GetObjectCommand(at(name)));
      if (!(Body instanceof Readable)) throw new Error('S3 answered without a body');
      return Body.once('close', () => client.destroy());
    },
  };
}

/** In parts, because its length is not known. Nothing appears under the key where `write` fails. Returns the number of bytes. */
async function upload(
  { client, Upload }: Aws,
  at: { readonly Bucket: string; readonly Key: string },
  write: (out: Writable) => Promise<void>,
): Promise<number> {
  let bytes = 0;
  const body = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.byteLength;
      done(null, chunk);
    },
  });
  const fail = (error: unknown): unknown =>
    body.destroy(error instanceof Error ? error : new Error(String(error)));
  const sending = new Upload({
    client,
    params: { ...at, Body: body },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  const sent = sending.done();
  // What writes sees it too, and stops.
  sent.catch(fail);
  try {
    await write(body);
  } catch (error) {
    // Not `sending.abort()`, after which `sent` fails before the parts on their way have arrived: they would stay in the bucket.
    fail(error);
    await sent;
    throw error;
  }
  await sent;
  return bytes;
}

type Modules = Awaited<ReturnType<typeof loadClient>>;
type Aws = Modules & { readonly client: InstanceType<Modules['S3Client']> };

async function useClient<T>(region: string | null, place: string, use: (aws: Aws) => Promise<T>): Promise<T> {
  const modules = await loadClient();
  const client = new modules.S3Client(settings(region));
  try {
    return await use({ ...modules, client });
  } catch (error) {
    if (!(error instanceof modules.S3ServiceException || isCredentialError(error))) throw error;
    throw new BackupFault(
      {
        code: 'bucket',
        message: `S3 refused ${place}: ${error.message}.`,
        remedy:
          'Check the name, the region and the credentials; s3:PutObject, s3:GetObject, s3:ListBucket, s3:DeleteObject and s3:AbortMultipartUpload are needed.',
      },
      error,
    );
  } finally {
    client.destroy();
  }
}

function settings(region: string | null) {
  const customUserAgent: [string, string][] = [['LabLink-Allocator', version]];
  return {
    ...(region !== null && { region }),
    followRegionRedirects: true,
    forcePathStyle: true,
    customUserAgent,
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  };
}

function isCredentialError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'CredentialsProviderError';
}
