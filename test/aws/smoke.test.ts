import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cloudIsThere, startCloud, type TestCloud } from '../support/cloud.ts';
import { startAwsLab } from '../support/aws-lab.ts';

describe.skipIf(!cloudIsThere())('smoke', { timeout: 200_000 }, () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  });
  afterAll(() => cloud[Symbol.asyncDispose]());
  test('smoke', async () => {
    await using lab = await startAwsLab(cloud);
    const t0 = performance.now();
    const launched = await lab.launch(3);
    console.log((performance.now() - t0) / 1000, launched, (await lab.output(launched.id)).join('\n'));
    console.log(
      lab.server.logLines.filter((l) => !l.includes('"debug"') && !l.includes('was answered')).join(''),
    );
    console.log(await lab.machines(), await lab.rows(), await lab.inState());
    const grown = await lab.launch(2);
    console.log((await lab.output(grown.id)).join('\n'));
    expect(await lab.agree()).toHaveLength(5);
    const destroyed = await lab.destroy();
    console.log(destroyed, (await lab.output(destroyed.id)).join('\n'));
    expect(await lab.agree()).toEqual([]);
  });
});
