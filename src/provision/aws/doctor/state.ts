// Whether the place of the state can be used: a folder is written to and cleaned again, a bucket is asked for. Makes no
// folder that is not there.
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { access, constants, mkdtemp, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toCloudError } from '../cloud-error.ts';

export type StateFinding = { readonly where: string; readonly fault: string | null; readonly remedy: string };

const WRITABLE =
  'Let the user of this server write there, make room, or set PULUMI_BACKEND_URL to another place.';
const TIMEOUT_MS = 10_000;

/** @param folder where the state is, unless `backendUrl` says otherwise */
export async function checkState(
  {
    backendUrl,
    folder,
    region,
  }: { readonly backendUrl: string | null; readonly folder: string; readonly region: string | null },
  signal: AbortSignal,
): Promise<StateFinding> {
  if (backendUrl?.startsWith('s3://')) return checkBucket(backendUrl, region, signal);
  if (backendUrl === null) return checkFolder(folder);
  if (!backendUrl.startsWith('file:'))
    return {
      where: backendUrl,
      fault: 'it is neither file:// nor s3://.',
      remedy: 'Correct PULUMI_BACKEND_URL.',
    };
  try {
    return await checkFolder(fileURLToPath(new URL(backendUrl)));
  } catch {
    return {
      where: backendUrl,
      fault: 'it is no absolute path.',
      remedy: 'Set PULUMI_BACKEND_URL to file:///folder.',
    };
  }
}

async function checkFolder(folder: string): Promise<StateFinding> {
  const there = await nearest(folder);
  try {
    await access(there, constants.W_OK | constants.X_OK);
    await rm(await mkdtemp(join(there, '.lablink-doctor-')), { recursive: true });
    return {
      where: there === folder ? folder : `${folder} (made at the first launch)`,
      fault: null,
      remedy: '',
    };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return { where: folder, fault: `it cannot be written to (${String(error.code)}).`, remedy: WRITABLE };
  }
}

/** The folder, or the one above it that is there already. */
async function nearest(folder: string): Promise<string> {
  const there = await stat(folder).then(
    () => true,
    () => false,
  );
  return there || dirname(folder) === folder ? folder : nearest(dirname(folder));
}

async function checkBucket(url: string, region: string | null, signal: AbortSignal): Promise<StateFinding> {
  const bucket = new URL(url).hostname;
  const client = new S3Client({
    ...(region !== null && { region }),
    followRegionRedirects: true,
    forcePathStyle: true,
    requestHandler: { connectionTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS },
  });
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    return { where: url, fault: null, remedy: '' };
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'NotFound' || name === 'NoSuchBucket')
      return {
        where: url,
        fault: 'there is no such bucket.',
        remedy: 'Make it, or correct PULUMI_BACKEND_URL.',
      };
    if (name === 'Forbidden' || name === '403')
      return {
        where: url,
        fault: 'these credentials may not use it.',
        remedy: 'Allow s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on it.',
      };
    const told = toCloudError(error, 'asking for the bucket');
    return { where: url, fault: told.message, remedy: told.remedy };
  } finally {
    client.destroy();
  }
}
