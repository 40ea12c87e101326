// AWS' clients as we use them: bounded in time and attempts, and their errors in our words. The endpoint, the credentials
// and all else come from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …), as the SDK reads it.
import { EC2Client } from '@aws-sdk/client-ec2';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { STSClient } from '@aws-sdk/client-sts';
import { toCloudError } from './cloud-error.ts';

const CONNECTION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 20_000;
const ATTEMPTS = 4;

export type Clients = {
  readonly ec2: EC2Client;
  readonly quotas: ServiceQuotasClient;
  readonly sts: STSClient;
};

export function clientSettings(region: string) {
  return {
    region,
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

/** Runs a request; what it throws is a CloudError. @param doing the end of "AWS failed while …" */
export async function asking<T>(doing: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw toCloudError(error, doing);
  }
}

/** All pages of a listing. */
export async function allPages<Page, Item>(
  pages: AsyncIterable<Page>,
  itemsOf: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of pages) items.push(...(itemsOf(page) ?? []));
  return items;
}

/** A request's way of being given up. */
export function during(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
