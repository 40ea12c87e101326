// IAM policies as JSON: who may be what, who may write where. As little as does the work.
import { output, type Output } from '@pulumi/pulumi';

/** @param service such as ec2.amazonaws.com */
export function trustOf(service: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  });
}

/** Streams and lines in one log group, which exists already: the group itself cannot be made, changed or read. */
export function writeLogsPolicy(groupArn: Output<string>): Output<string> {
  return output(groupArn).apply((arn) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
          Resource: [arn, `${arn}:*`],
        },
      ],
    }),
  );
}
