// The requests that moto has recorded, as IAM actions: who made them is told by the access key.
import { existsSync, readFileSync } from 'node:fs';
import { PLUGIN_CREDENTIALS } from '../doubles/aws/sdk.ts';

/** Of the tests themselves: what they look at or prepare is no call of the allocator. */
export const TEST_CREDENTIALS = { accessKeyId: 'observer', secretAccessKey: 'testing' };

export type AwsRequest = {
  /** `state`: Pulumi, which stores its state in S3 without credentials here. */
  readonly by: 'allocator' | 'plugin' | 'state';
  /** As IAM names it, such as `ec2:RunInstances`. */
  readonly action: string;
};

type Recorded = {
  readonly headers: Readonly<Record<string, string>>;
  readonly method: string;
  readonly url: string;
  readonly body: string;
};

/**
 * The test's own requests are left out, and each request stands once. Throws for one that is not understood.
 * @param from the number of characters at the start of the file to leave out
 */
export function readAwsRequests(file: string, from = 0): AwsRequest[] {
  if (!existsSync(file)) return [];
  // Moto writes the end of a line by itself, so that two large requests of one moment can stand in one line.
  const lines = readFileSync(file, 'utf8')
    .slice(from)
    .replaceAll('}{"headers"', '}\n{"headers"')
    .split(/\n+/)
    .filter(Boolean);
  const unique = new Map<string, AwsRequest>();
  for (const line of lines) {
    const recorded = JSON.parse(line) as Recorded;
    const by = callerOf(recorded);
    if (by === null) continue;
    const action = actionOf(recorded);
    unique.set(`${by} ${action}`, { by, action });
  }
  return [...unique.values()];
}

const CREDENTIAL = /Credential=([^/]+)\/\d+\/[^/]+\/([^/]+)\//;

/** Null: the test itself. */
function callerOf({ headers, url }: Recorded): AwsRequest['by'] | null {
  if (new URL(url).pathname.startsWith('/moto-api/')) return null;
  const key = CREDENTIAL.exec(headers['Authorization'] ?? '')?.[1];
  if (key === undefined) return 'state';
  if (key === TEST_CREDENTIALS.accessKeyId) return null;
  return key === PLUGIN_CREDENTIALS.accessKeyId ? 'plugin' : 'allocator';
}

function actionOf(recorded: Recorded): string {
  const service = CREDENTIAL.exec(recorded.headers['Authorization'] ?? '')?.[2] ?? 's3';
  const target = /\.(\w+)$/.exec(recorded.headers['X-Amz-Target'] ?? '')?.[1];
  if (target !== undefined) return `${service}:${target}`;
  const form = new URLSearchParams(Buffer.from(recorded.body, 'base64').toString('utf8')).get('Action');
  if (form !== null) return `${service}:${form}`;
  const { pathname: path, searchParams } = new URL(recorded.url);
  const rest = REST[service]?.find(
    ({ method, at, query }) =>
      method === recorded.method && at.test(path) && (query === undefined || searchParams.has(query)),
  );
  if (!rest) throw new Error(`Which action of ${service} is ${recorded.method} ${path}?`);
  return `${service}:${rest.action}`;
}

type Rest = {
  readonly method: string;
  readonly at: RegExp;
  readonly query?: string;
  readonly action: string;
};

const OBJECT = /^\/[^/]+\/.+/;
const BUCKET = /^\/[^/]+\/?$/;
const FUNCTION = /\/functions\/[^/]+$/;

/** Services whose actions are in the method and the path. */
const REST: Readonly<Record<string, readonly Rest[]>> = {
  s3: [
    { method: 'GET', at: OBJECT, action: 'GetObject' },
    { method: 'HEAD', at: OBJECT, action: 'GetObject' },
    { method: 'PUT', at: OBJECT, action: 'PutObject' },
    // Beginning and ending an upload in parts.
    { method: 'POST', at: OBJECT, action: 'PutObject' },
    { method: 'DELETE', at: OBJECT, query: 'uploadId', action: 'AbortMultipartUpload' },
    { method: 'DELETE', at: OBJECT, action: 'DeleteObject' },
    { method: 'GET', at: BUCKET, action: 'ListBucket' },
    { method: 'HEAD', at: BUCKET, action: 'ListBucket' },
  ],
  lambda: [
    { method: 'POST', at: /\/functions\/?$/, action: 'CreateFunction' },
    { method: 'GET', at: FUNCTION, action: 'GetFunction' },
    { method: 'DELETE', at: FUNCTION, action: 'DeleteFunction' },
    { method: 'PUT', at: /\/functions\/[^/]+\/code$/, action: 'UpdateFunctionCode' },
    { method: 'PUT', at: /\/functions\/[^/]+\/configuration$/, action: 'UpdateFunctionConfiguration' },
    { method: 'GET', at: /\/functions\/[^/]+\/configuration$/, action: 'GetFunctionConfiguration' },
    { method: 'POST', at: /\/functions\/[^/]+\/policy$/, action: 'AddPermission' },
    { method: 'GET', at: /\/functions\/[^/]+\/policy$/, action: 'GetPolicy' },
    { method: 'DELETE', at: /\/functions\/[^/]+\/policy\/[^/]+$/, action: 'RemovePermission' },
    { method: 'POST', at: /\/tags\//, action: 'TagResource' },
    { method: 'DELETE', at: /\/tags\//, action: 'UntagResource' },
  ],
};
