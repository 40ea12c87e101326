// The clients of the AWS SDK, with time-outs and a limited number of attempts. The SDK reads the endpoint and the
// credentials from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …).
import { EC2Client } from '@aws-sdk/client-ec2';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { STSClient } from '@aws-sdk/client-sts';
import { version } from '../../version.ts';
import { toCloudError } from './cloud-error.ts';

const CONNECTION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 20_000;
const ATTEMPTS = 4;

export type Clients = {
  readonly ec2: EC2Client;
  readonly quotas: ServiceQuotasClient;
  readonly sts: STSClient;
};

/** What every client of AWS calls itself, before the names of the SDK. */
export const userAgent: { customUserAgent: [string, string][] } = {
  customUserAgent: [['LabLink-Allocator', version]],
};

export function clientSettings(region: string) {
  return {
    region,
    ...userAgent,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  };
}

export function createClients(region: string): Clients {
  const settings = clientSettings(region);
  return {
    ec2: new EC2Client(settings),
    quotas: new ServiceQuotasClient(settings),
    sts: new STSClient(settings),
  };
}

/** Runs a request, and throws its errors as CloudError. @param action completes "AWS failed while …" */
export async function callAws<T>(action: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw toCloudError(error, action);
  }
}

/** The items of all pages. */
export async function allPages<Page, Item>(
  pages: AsyncIterable<Page>,
  itemsOf: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of pages) items.push(...(itemsOf(page) ?? []));
  return items;
}

/** The option that cancels a request. */
export function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
