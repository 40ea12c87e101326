// Security group and key pair: EC2 lists both by their tags.
import {
  DeleteKeyPairCommand,
  DeleteSecurityGroupCommand,
  DescribeKeyPairsCommand,
  EC2Client,
  paginateDescribeSecurityGroups,
} from '@aws-sdk/client-ec2';
import { TAG } from '../../../../infra/tags.ts';
import { allPages, clientSettings } from '../clients.ts';
import { unlessMissing, type PartKind, type PartOwner } from './part.ts';

const MISSING = /\.NotFound$/;

export function networkParts({ region, uid }: PartOwner): readonly PartKind[] {
  const ec2 = new EC2Client(clientSettings(region));
  const Filters = [{ Name: `tag:${TAG.uid}`, Values: [uid] }];
  const keyPairs: PartKind = {
    named: 'key pairs',
    list: async (abortSignal) => {
      const { KeyPairs = [] } = await ec2.send(new DescribeKeyPairsCommand({ Filters }), { abortSignal });
      return KeyPairs.flatMap(({ KeyName: id }) =>
        id === undefined
          ? []
          : { type: 'aws:ec2/keyPair:KeyPair' as const, id, what: 'key pair', holdsLogs: false },
      );
    },
    remove: async (id, abortSignal) => {
      await unlessMissing(MISSING, ec2.send(new DeleteKeyPairCommand({ KeyName: id }), { abortSignal }));
    },
  };
  const securityGroups: PartKind = {
    named: 'security groups',
    list: async (abortSignal) => {
      const pages = paginateDescribeSecurityGroups({ client: ec2 }, { Filters }, { abortSignal });
      const groups = await allPages(pages, ({ SecurityGroups }) => SecurityGroups);
      return groups.flatMap(({ GroupId: id }) =>
        id === undefined
          ? []
          : {
              type: 'aws:ec2/securityGroup:SecurityGroup' as const,
              id,
              what: 'security group',
              holdsLogs: false,
            },
      );
    },
    remove: async (id, abortSignal) => {
      await unlessMissing(
        MISSING,
        ec2.send(new DeleteSecurityGroupCommand({ GroupId: id }), { abortSignal }),
      );
    },
  };
  return [keyPairs, securityGroups];
}
