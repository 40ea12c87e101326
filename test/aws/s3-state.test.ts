// The state in a bucket: launch, growth from another data folder, and destroy. The check value of the passphrase lies
// beside the state, so that a second allocator with another passphrase is refused before it begins.
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAwsLab, type AwsLab } from '../support/aws-lab.ts';
import { cloudIsThere, startCloud, type TestCloud } from '../support/cloud.ts';

const BUCKET = 'lab-state';
const CHECK = 'workshop/lablink-check.lablink-lab.test';

describe.skipIf(!cloudIsThere())('a state in a bucket', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  let s3: S3Client;

  beforeAll(async () => {
    cloud = await startCloud();
    s3 = new S3Client({
      endpoint: cloud.endpoint,
      region: cloud.region,
      forcePathStyle: true,
      credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
    });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  }, 120_000);
  afterAll(async () => {
    s3.destroy();
    await cloud[Symbol.asyncDispose]();
  });

  const keys = async (): Promise<string[]> => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    return Contents.map(({ Key = '' }) => Key).sort();
  };
  const open = (passphrase: string): Promise<AwsLab> =>
    startAwsLab(cloud, {
      env: { PULUMI_BACKEND_URL: `s3://${BUCKET}/workshop`, PULUMI_CONFIG_PASSPHRASE: passphrase },
    });

  test('launch and destroy work; what is kept is in the bucket alone; another passphrase is refused', async () => {
    await using lab = await open('the passphrase of all');
    const launched = await lab.launch(2);
    expect(launched, (await lab.output(launched.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual(await lab.rows());
    expect(await lab.machines()).toHaveLength(2);
    const kept = await keys();
    expect(kept).toContain(CHECK);
    expect(kept).toContain('workshop/.pulumi/stacks/lablink-lab/test.json');
    expect(await lab.inState(), 'nothing on this disk').toEqual([]);
    // Another passphrase, on a disk that knows nothing of the first: as a second allocator has it.
    await rm(join(lab.server.dataDir, 'aws'), { recursive: true });
    await lab.server.restart({ env: { PULUMI_CONFIG_PASSPHRASE: 'another passphrase' } });
    const refused = await lab.launch(1);
    expect(refused).toMatchObject({ status: 'failed', problem: { kind: 'credentials' } });
    expect(refused.problem?.problem).toContain('passphrase');
    expect(await lab.machines()).toHaveLength(2);
    await lab.server.restart();
    const grown = await lab.launch(1);
    expect(grown, (await lab.output(grown.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual(await lab.rows());
    expect(await lab.machines()).toHaveLength(3);
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual([]);
    expect(await lab.rows()).toEqual([]);
    expect(await cloud.parts.list()).toEqual([]);
    expect((await keys()).filter((key) => key.includes('/locks/'))).toEqual([]);
  });

  test('a bucket that is not there is said, and nothing is made', async () => {
    await using lab = await startAwsLab(cloud, { env: { PULUMI_BACKEND_URL: 's3://no-such-bucket' } });
    const refused = await lab.launch(1);
    expect(refused).toMatchObject({ status: 'failed' });
    expect(refused.problem?.problem).toMatch(/bucket/i);
    expect(await cloud.machines()).toEqual([]);
  });
});
