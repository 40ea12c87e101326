// One emulator of AWS and one allocator for all tests of a file, because a start takes seconds. Each test gets them empty;
// after a failed test that left something, both are started again.
import { startAwsLab, type AwsLab } from './aws-lab.ts';
import { startCloud, type TestCloud } from './cloud.ts';

type CloudAndLab = { readonly cloud: TestCloud; readonly lab: AwsLab };

export type SharedLab = AsyncDisposable & {
  /** Without machines, faults and reserved hostnames. */
  readonly take: () => Promise<CloudAndLab>;
};

export function createSharedLab(options: Parameters<typeof startAwsLab>[1] = {}): SharedLab {
  let open: CloudAndLab | null = null;
  const close = async (): Promise<void> => {
    await open?.lab[Symbol.asyncDispose]();
    await open?.cloud[Symbol.asyncDispose]();
    open = null;
  };
  return {
    take: async () => {
      if (open !== null && !(await isEmpty(open))) await close();
      if (open === null) {
        const cloud = await startCloud();
        open = { cloud, lab: await startAwsLab(cloud, options) };
      }
      open.cloud.faults.reset();
      // Hostnames of destroyed machines are not reused for an hour, but tests expect certain hostnames.
      await open.lab.server.db.deleteFrom('tombstones').execute();
      return open;
    },
    [Symbol.asyncDispose]: close,
  };
}

async function isEmpty({ cloud, lab }: CloudAndLab): Promise<boolean> {
  const left = [
    ...(await cloud.machines()),
    ...(await cloud.sharedResources.list()),
    ...(await lab.rows()),
    ...(await lab.inState().catch(() => ['a state with pending operations'])),
  ];
  return left.length === 0;
}
