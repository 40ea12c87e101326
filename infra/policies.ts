// IAM policies as JSON, with the least permissions that are needed.
import { output, type Output } from '@pulumi/pulumi';

/** @param service such as ec2.amazonaws.com */
export function trustPolicy(service: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  });
}

/** Allows writing streams and lines of one existing log group, and nothing else. */
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
