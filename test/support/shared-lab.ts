// One cloud and one allocator for the tests of a file: a start costs seconds, and the engine's first run of a data folder
// compiles its modules. Each test is given them empty; what a failed one has left is thrown away, and all begins anew.
import { startAwsLab, type AwsLab } from './aws-lab.ts';
import { startCloud, type TestCloud } from './cloud.ts';

export type CloudAndLab = { readonly cloud: TestCloud; readonly lab: AwsLab };

export type SharedLab = AsyncDisposable & {
  /** Empty, without faults, and with all names free. */
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
      // Names of what was destroyed rest for an hour; tests name machines.
      await open.lab.server.db.deleteFrom('tombstones').execute();
      return open;
    },
    [Symbol.asyncDispose]: close,
  };
}

async function isEmpty({ cloud, lab }: CloudAndLab): Promise<boolean> {
  const left = [
    ...(await cloud.machines()),
    ...(await cloud.parts.list()),
    ...(await lab.rows()),
    ...(await lab.inState().catch(() => ['a state that tells of something under way'])),
  ];
  return left.length === 0;
}
