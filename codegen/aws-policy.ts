// docs/aws-policy.json: the permissions of infra/permissions.ts as an IAM policy, with words in capitals to replace.
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { allocatorPolicy } from '../infra/permissions.ts';
import type { GeneratedFile } from './contract.ts';

export async function awsPolicy(): Promise<GeneratedFile> {
  const policy = allocatorPolicy({
    account: 'ACCOUNT',
    region: 'REGION',
    deployment: 'DEPLOYMENT',
    stateBucket: 'STATE_BUCKET',
    backupBucket: 'BACKUP_BUCKET',
    logGroup: null,
  });
  return {
    path: fileURLToPath(new URL('../docs/aws-policy.json', import.meta.url)),
    text: await format(JSON.stringify(policy), { parser: 'json', printWidth: 110 }),
  };
}
