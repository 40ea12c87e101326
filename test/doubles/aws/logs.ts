// CloudWatch log groups and subscription filters, created at AWS_ENDPOINT_URL.
import type { Props } from '../engine/values.ts';
import type { Kind } from './provider.ts';
import { ACCOUNT, differs, lazily, region, tagMapOf, unlessGone } from './sdk.ts';

const MISSING = /^ResourceNotFound/;
const logs = lazily(
  () => import('@aws-sdk/client-cloudwatch-logs'),
  ({ CloudWatchLogsClient }) => new CloudWatchLogsClient({ maxAttempts: 2 }),
);

const arnOf = (name: string) => `arn:aws:logs:${region()}:${ACCOUNT}:log-group:${name}`;

const logGroup: Kind = {
  inputs: ['name', 'retentionInDays', 'tags'],
  autoname: 'name',
  fixed: ['name'],
  create: async (_name, inputs) => {
    const { client, sdk } = await logs();
    const logGroupName = String(inputs['name']);
    await client.send(new sdk.CreateLogGroupCommand({ logGroupName, tags: tagMapOf(inputs['tags']) }));
    await keep(logGroupName, inputs);
    return { id: logGroupName, computed: { arn: arnOf(logGroupName) } };
  },
  read: async (id) => {
    const { client, sdk } = await logs();
    const listed = await client.send(new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix: id }));
    const isThere = listed.logGroups?.some(({ logGroupName }) => logGroupName === id) ?? false;
    return isThere ? { arn: arnOf(id) } : null;
  },
  update: async (id, olds, news) => {
    if (differs(olds, news, 'retentionInDays')) await keep(id, news);
    const { client, sdk } = await logs();
    await client.send(new sdk.TagResourceCommand({ resourceArn: arnOf(id), tags: tagMapOf(news['tags']) }));
    return { arn: arnOf(id) };
  },
  delete: async (logGroupName) => {
    const { client, sdk } = await logs();
    await unlessGone(MISSING, client.send(new sdk.DeleteLogGroupCommand({ logGroupName })));
  },
};

async function keep(logGroupName: string, { retentionInDays }: Props): Promise<void> {
  if (typeof retentionInDays !== 'number') return;
  const { client, sdk } = await logs();
  await client.send(new sdk.PutRetentionPolicyCommand({ logGroupName, retentionInDays }));
}

/** Put there whether or not it is there already. */
const subscriptionFilter: Kind = {
  inputs: ['name', 'logGroup', 'filterPattern', 'destinationArn'],
  autoname: 'name',
  fixed: ['name', 'logGroup'],
  create: async (_name, inputs) => {
    await subscribe(inputs);
    return { id: String(inputs['name']), computed: {} };
  },
  read: async (id, props) => {
    const { client, sdk } = await logs();
    const asked = new sdk.DescribeSubscriptionFiltersCommand({
      logGroupName: String(props['logGroup']),
      filterNamePrefix: id,
    });
    const found = await unlessGone(MISSING, client.send(asked));
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
    await unlessGone(MISSING, client.send(command));
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

export const logKinds: Readonly<Record<string, Kind>> = {
  'aws:cloudwatch/logGroup:LogGroup': logGroup,
  'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter': subscriptionFilter,
};
