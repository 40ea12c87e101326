// A Pulumi state in a bucket: launch, launch from another data folder, destroy. The check value of the passphrase is next to
// the state, so an allocator with another passphrase is rejected before it starts a run.
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAwsLab, type AwsLab } from '../support/aws-lab.ts';
import { TEST_CREDENTIALS } from '../support/aws-requests.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

const BUCKET = 'lab-state';
const CHECK = 'workshop/lablink-check.lablink-lab.test';

describe.skipIf(!motoIsThere())('a state in S3', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  let s3: S3Client;

  beforeAll(async () => {
    cloud = await startCloud();
    s3 = new S3Client({
      endpoint: cloud.endpoint,
      region: cloud.region,
      forcePathStyle: true,
      credentials: TEST_CREDENTIALS,
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

  test('launch and destroy work with a state in a bucket, and another passphrase is rejected', async () => {
    await using lab = await open('the shared passphrase');
    const launched = await lab.launch(2);
    expect(launched, (await lab.output(launched.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual(await lab.rows());
    expect(await lab.machines()).toHaveLength(2);
    const stored = await keys();
    expect(stored).toContain(CHECK);
    expect(stored).toContain('workshop/.pulumi/stacks/lablink-lab/test.json');
    expect(await lab.inState(), 'no state on this disk').toEqual([]);
    // Another passphrase and an empty data folder, as a second allocator has.
    await rm(join(lab.server.dataDir, 'aws'), { recursive: true });
    await lab.server.restart({ env: { PULUMI_CONFIG_PASSPHRASE: 'another passphrase' } });
    const failed = await lab.launch(1);
    expect(failed).toMatchObject({ status: 'failed', problem: { kind: 'credentials' } });
    expect(failed.problem?.problem).toContain('passphrase');
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
    expect(await cloud.sharedResources.list()).toEqual([]);
    expect((await keys()).filter((key) => key.includes('/locks/'))).toEqual([]);
  });

  test('a missing bucket fails a launch without machines', async () => {
    await using lab = await startAwsLab(cloud, { env: { PULUMI_BACKEND_URL: 's3://no-such-bucket' } });
    const failed = await lab.launch(1);
    expect(failed).toMatchObject({ status: 'failed' });
    expect(failed.problem?.problem).toMatch(/bucket/i);
    expect(await cloud.machines()).toEqual([]);
  });

  test('a lock of another computer, which may be dead, holds up a launch but no destroy', async () => {
    await using lab = await open('the shared passphrase');
    expect(await lab.launch(1)).toMatchObject({ status: 'succeeded' });
    const lock = {
      Bucket: BUCKET,
      Key: `workshop/.pulumi/locks/organization/lablink-lab/test/${crypto.randomUUID()}.json`,
    };
    const holder = {
      pid: 17,
      username: 'lablink',
      hostname: 'elsewhere',
      timestamp: new Date().toISOString(),
    };
    await s3.send(new PutObjectCommand({ ...lock, Body: JSON.stringify(holder) }));
    const refused = await lab.launch(1);
    expect(refused).toMatchObject({ status: 'failed' });
    expect(refused.problem?.problem).toContain('locked by another run');
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual([]);
    expect(await cloud.sharedResources.list()).toEqual([]);
    // The state, which still has the machine, is in line again after the lock is gone.
    await s3.send(new DeleteObjectCommand(lock));
    const again = await lab.launch(1);
    expect(again, (await lab.output(again.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual(await lab.rows());
  });
});
