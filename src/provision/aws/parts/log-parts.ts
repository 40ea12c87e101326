// Log groups. A log group's name is the configuration's, and may be another deployment's
// too: its uid tag alone says whose it is.
import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  DescribeLogStreamsCommand,
  ListTagsForResourceCommand,
  paginateDescribeLogGroups,
} from '@aws-sdk/client-cloudwatch-logs';
import { TAG } from '../../../../infra/tags.ts';
import { allPages, clientSettings } from '../clients.ts';
import { unlessMissing, type PartKind, type PartOwner } from './part.ts';

const MISSING = /^ResourceNotFound/;

export function logParts(owner: PartOwner): readonly PartKind[] {
  const logs = new CloudWatchLogsClient(clientSettings(owner.region));
  return owner.logGroups.map((name) => logGroupKind(logs, name, owner.uid));
}

function logGroupKind(client: CloudWatchLogsClient, name: string, uid: string): PartKind {
  const findArn = async (abortSignal: AbortSignal): Promise<string | null> => {
    const pages = paginateDescribeLogGroups({ client }, { logGroupNamePrefix: name }, { abortSignal });
    const groups = await allPages(pages, ({ logGroups }) => logGroups);
    const found = groups.find(({ logGroupName }) => logGroupName === name);
    // Tags are asked by the ARN without the `:*` that stands for its streams.
    return found ? (found.logGroupArn ?? found.arn ?? '').replace(/:\*$/, '') : null;
  };
  return {
    named: 'log groups',
    list: async (abortSignal) => {
      const resourceArn = await findArn(abortSignal);
      if (resourceArn === null) return [];
      const asked = client.send(new ListTagsForResourceCommand({ resourceArn }), { abortSignal });
      if ((await unlessMissing(MISSING, asked))?.tags?.[TAG.uid] !== uid) return [];
      const inside = client.send(new DescribeLogStreamsCommand({ logGroupName: name, limit: 1 }), {
        abortSignal,
      });
      const { logStreams = [] } = (await unlessMissing(MISSING, inside)) ?? {};
      const type = 'aws:cloudwatch/logGroup:LogGroup';
      return [{ type, id: name, what: 'log group', holdsLogs: logStreams.length > 0 }];
    },
    remove: async (logGroupName, abortSignal) => {
      const command = new DeleteLogGroupCommand({ logGroupName });
      await unlessMissing(MISSING, client.send(command, { abortSignal }));
    },
  };
}
