// What a machine's process, and whatever it starts, finds in its environment: little, and nothing of the allocator's.
import type { ProcessMark } from '../../process/process-table.ts';

/** Carried by the process of a machine and by all its children; its value is the folder of the machine. */
export const LOCAL_VM_MARK: ProcessMark = { variable: 'LABLINK_LOCAL_VM', argument: '--local-vm=' };

/** Where programs are looked for; ours may not be the machine's business. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin';
/** A machine waits more than it works. */
const POOL_THREADS = '2';

/** @param folder the machine's, absolute and without links: it is the mark by which its processes are found. */
export function machineEnvironment(folder: string, compileCache: string): Record<string, string> {
  return {
    PATH,
    HOME: folder,
    LANG: 'C.UTF-8',
    UV_THREADPOOL_SIZE: POOL_THREADS,
    MALLOC_ARENA_MAX: '1',
    NODE_COMPILE_CACHE: compileCache,
    [LOCAL_VM_MARK.variable]: folder,
  };
}
