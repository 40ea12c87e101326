// Checks whether Pulumi can store its state: writes a test folder and removes it, or asks S3 for the bucket. Does not
// create missing folders.
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { access, constants, mkdtemp, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, succeed, type Result } from '../../../result.ts';
import { userAgent } from '../clients.ts';
import { toCloudError } from '../cloud-error.ts';

export type StateCheck = {
  /** A folder or a URL. */
  readonly location: string;
  readonly result: Result;
};

const NOT_WRITABLE =
  'Allow the user of this server to write there, free some space, or set PULUMI_BACKEND_URL to another location.';
const TIMEOUT_MS = 10_000;

/** @param folder the default location, if `backendUrl` is null */
export async function checkState(
  {
    backendUrl,
    folder,
    region,
  }: { readonly backendUrl: string | null; readonly folder: string; readonly region: string | null },
  signal: AbortSignal,
): Promise<StateCheck> {
  if (backendUrl?.startsWith('s3://')) return checkBucket(backendUrl, region, signal);
  if (backendUrl === null) return checkFolder(folder);
  if (!backendUrl.startsWith('file:'))
    return failed(backendUrl, 'it is neither file:// nor s3://.', 'Correct PULUMI_BACKEND_URL.');
  try {
    return await checkFolder(fileURLToPath(new URL(backendUrl)));
  } catch {
    return failed(backendUrl, 'it is not an absolute path.', 'Set PULUMI_BACKEND_URL to file:///folder.');
  }
}

async function checkFolder(folder: string): Promise<StateCheck> {
  const existing = await nearestExisting(folder);
  try {
    await access(existing, constants.W_OK | constants.X_OK);
    await rm(await mkdtemp(join(existing, '.lablink-doctor-')), { recursive: true });
    const location = existing === folder ? folder : `${folder} (created at the first launch)`;
    return { location, result: succeed() };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return failed(folder, `it is not writable (${String(error.code)}).`, NOT_WRITABLE);
  }
}

/** The folder, or its nearest parent that exists. */
async function nearestExisting(folder: string): Promise<string> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  return exists || dirname(folder) === folder ? folder : nearestExisting(dirname(folder));
}

async function checkBucket(url: string, region: string | null, signal: AbortSignal): Promise<StateCheck> {
  const bucket = new URL(url).hostname;
  const client = new S3Client({
    ...(region !== null && { region }),
    followRegionRedirects: true,
    forcePathStyle: true,
    ...userAgent,
    requestHandler: { connectionTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS },
  });
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    return { location: url, result: succeed() };
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'NotFound' || name === 'NoSuchBucket')
      return failed(url, 'the bucket does not exist.', 'Create the bucket, or correct PULUMI_BACKEND_URL.');
    if (name === 'Forbidden' || name === '403')
      return failed(
        url,
        'the credentials do not allow access to the bucket.',
        'Allow s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on the bucket.',
      );
    return { location: url, result: fail(toCloudError(error, 'checking the bucket').failure) };
  } finally {
    client.destroy();
  }
}

function failed(location: string, message: string, remedy: string): StateCheck {
  return { location, result: fail({ code: 'state_unusable', message, remedy }) };
}
