// CloudWatch log groups and subscription filters, at AWS_ENDPOINT_URL.
import type { Props } from '../engine/values.ts';
import type { ResourceHandler } from './provider.ts';
import {
  clientSettings,
  ACCOUNT,
  hasChanged,
  lazyClient,
  nullIfMissing,
  region,
  removedTags,
  tagMapOf,
} from './sdk.ts';

const NOT_FOUND = /^ResourceNotFound/;
const logs = lazyClient(
  () => import('./services/logs.ts'),
  ({ CloudWatchLogsClient }) => new CloudWatchLogsClient(clientSettings),
);

const arnOf = (name: string) => `arn:aws:logs:${region()}:${ACCOUNT}:log-group:${name}`;

const logGroup: ResourceHandler = {
  inputs: ['name', 'retentionInDays', 'tags'],
  autoname: 'name',
  replaceOnChanges: ['name'],
  create: async (_name, inputs) => {
    const { client, sdk } = await logs();
    const logGroupName = String(inputs['name']);
    await client.send(new sdk.CreateLogGroupCommand({ logGroupName, tags: tagMapOf(inputs['tags']) }));
    await putRetention(logGroupName, inputs);
    return { id: logGroupName, computed: { arn: arnOf(logGroupName) } };
  },
  read: async (id) => {
    const { client, sdk } = await logs();
    const listed = await client.send(new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix: id }));
    const exists = listed.logGroups?.some(({ logGroupName }) => logGroupName === id) ?? false;
    return exists ? { arn: arnOf(id) } : null;
  },
  update: async (id, olds, news) => {
    if (hasChanged(olds, news, 'retentionInDays')) await putRetention(id, news);
    const { client, sdk } = await logs();
    const [resourceArn, tagKeys] = [arnOf(id), removedTags(olds, news)];
    if (tagKeys.length > 0) await client.send(new sdk.UntagResourceCommand({ resourceArn, tagKeys }));
    await client.send(new sdk.TagResourceCommand({ resourceArn, tags: tagMapOf(news['tags']) }));
    return { arn: arnOf(id) };
  },
  delete: async (logGroupName) => {
    const { client, sdk } = await logs();
    await nullIfMissing(NOT_FOUND, client.send(new sdk.DeleteLogGroupCommand({ logGroupName })));
  },
};

async function putRetention(logGroupName: string, { retentionInDays }: Props): Promise<void> {
  if (typeof retentionInDays !== 'number') return;
  const { client, sdk } = await logs();
  await client.send(new sdk.PutRetentionPolicyCommand({ logGroupName, retentionInDays }));
}

/** AWS has one call, Put, that creates or replaces a filter. */
const subscriptionFilter: ResourceHandler = {
  inputs: ['name', 'logGroup', 'filterPattern', 'destinationArn'],
  autoname: 'name',
  replaceOnChanges: ['name', 'logGroup'],
  create: async (_name, inputs) => {
    await subscribe(inputs);
    return { id: String(inputs['name']), computed: {} };
  },
  read: async (id, props) => {
    const { client, sdk } = await logs();
    const command = new sdk.DescribeSubscriptionFiltersCommand({
      logGroupName: String(props['logGroup']),
      filterNamePrefix: id,
    });
    const found = await nullIfMissing(NOT_FOUND, client.send(command));
    return found?.subscriptionFilters?.some(({ filterName }) => filterName === id) ? {} : null;
  },
  update: async (_id, _olds, news) => {
    await subscribe(news);
    return {};
  },
  delete: async (filterName, props) => {
    const { client, sdk } = await logs();
    const logGroupName = String(props['logGroup']);
    const command = new sdk.DeleteSubscriptionFilterCommand({ logGroupName, filterName });
    await nullIfMissing(NOT_FOUND, client.send(command));
  },
};

async function subscribe(inputs: Props): Promise<void> {
  const { client, sdk } = await logs();
  await client.send(
    new sdk.PutSubscriptionFilterCommand({
      logGroupName: String(inputs['logGroup']),
      filterName: String(inputs['name']),
      filterPattern: String(inputs['filterPattern']),
      destinationArn: String(inputs['destinationArn']),
    }),
  );
}

export const logHandlers: Readonly<Record<string, ResourceHandler>> = {
  'aws:cloudwatch/logGroup:LogGroup': logGroup,
  'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter': subscriptionFilter,
};
