// The downloads of this process: those that run, and the last ones that ended.

type DownloadState = 'searching' | 'sending' | 'done' | 'failed' | 'abandoned';

export type DownloadProgress = {
  readonly id: string;
  readonly requestedBy: string;
  /** The one machine to download from; null: all. */
  readonly hostname: string | null;
  /** Several machines, but not all. */
  readonly isSelection: boolean;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  /** `abandoned`: the client stopped reading before the end. */
  readonly state: DownloadState;
  /** Why it failed. */
  readonly message: string | null;
  readonly vms: number;
  /** Whose search has ended, well or not. */
  readonly vmsSearched: number;
  readonly vmsDone: number;
  readonly vmsFailed: number;
  /** On all machines. */
  readonly filesFound: number;
  readonly bytesFound: number;
  readonly files: number;
  readonly bytes: number;
};

export type ProgressCounter = {
  readonly searched: (found: { readonly files: number; readonly bytes: number } | null) => void;
  readonly sending: () => void;
  readonly bytes: (bytes: number) => void;
  readonly file: () => void;
  readonly vmDone: (failed: boolean) => void;
  /** Nothing of it was read: it is not listed. */
  readonly withdraw: () => void;
  /** Only the first call counts. */
  readonly end: (state: 'done' | 'failed' | 'abandoned', message?: string) => void;
};

export type ProgressBoard = {
  readonly begin: (
    about: Pick<DownloadProgress, 'id' | 'requestedBy' | 'hostname' | 'isSelection' | 'vms'>,
  ) => ProgressCounter;
  /** Newest first. */
  readonly list: () => readonly DownloadProgress[];
  readonly running: () => number;
};

/** This many that have ended are listed. */
const KEPT = 10;

export function createProgressBoard(now: () => Date): ProgressBoard {
  let all: { progress: DownloadProgress }[] = [];

  function forget(): void {
    const ended = all.filter(({ progress }) => progress.endedAt !== null);
    const old = new Set(ended.slice(KEPT));
    all = all.filter((each) => !old.has(each));
  }

  return {
    begin: (about) => {
      const entry = { progress: fresh(about, now()) };
      all = [entry, ...all];
      const withdraw = (): void => {
        all = all.filter((each) => each !== entry);
      };
      return {
        ...counterOf(entry, () => {
          entry.progress = { ...entry.progress, endedAt: now() };
          forget();
        }),
        withdraw,
      };
    },
    list: () => all.map(({ progress }) => progress),
    running: () => all.filter(({ progress }) => progress.endedAt === null).length,
  };
}

function fresh(
  about: Pick<DownloadProgress, 'id' | 'requestedBy' | 'hostname' | 'isSelection' | 'vms'>,
  startedAt: Date,
): DownloadProgress {
  return {
    ...about,
    startedAt,
    endedAt: null,
    state: 'searching',
    message: null,
    vmsSearched: 0,
    vmsDone: 0,
    vmsFailed: 0,
    filesFound: 0,
    bytesFound: 0,
    files: 0,
    bytes: 0,
  };
}

function counterOf(
  entry: { progress: DownloadProgress },
  onEnd: () => void,
): Omit<ProgressCounter, 'withdraw'> {
  const change = (changes: (progress: DownloadProgress) => Partial<DownloadProgress>): void => {
    entry.progress = { ...entry.progress, ...changes(entry.progress) };
  };
  return {
    searched: (found) =>
      change(({ vmsSearched, filesFound, bytesFound }) => ({
        vmsSearched: vmsSearched + 1,
        filesFound: filesFound + (found?.files ?? 0),
        bytesFound: bytesFound + (found?.bytes ?? 0),
      })),
    sending: () => change(() => ({ state: 'sending' })),
    bytes: (bytes) => change((progress) => ({ bytes: progress.bytes + bytes })),
    file: () => change((progress) => ({ files: progress.files + 1 })),
    vmDone: (failed) =>
      change(({ vmsDone, vmsFailed }) => ({
        vmsDone: vmsDone + 1,
        vmsFailed: vmsFailed + (failed ? 1 : 0),
      })),
    end: (state, message) => {
      if (entry.progress.endedAt !== null) return;
      change(() => ({ state, message: message ?? null }));
      onEnd();
    },
  };
}
