// Test machines, which are real OpenSSH servers, and a collector that knows them. Archives are opened by Info-ZIP and
// Python.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { z } from 'zod';
import { createCollector, type Collector } from '../../src/collect/collector.ts';
import type { VmReport } from '../../src/collect/report.ts';
import { defaultLimits, type Choice, type CollectLimits, type Target } from '../../src/collect/target.ts';
import { createLog } from '../../src/log.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { requirePart } from '../support/required.ts';
import { SSHD, startSshd, type Sshd, type SshdOptions } from '../support/sshd.ts';

const run = promisify(execFile);
const key = makeSshKeyPair();

export const hasSshd = requirePart('sshd', SSHD !== undefined, 'Install openssh-server.');

export type Lab = AsyncDisposable & {
  readonly collector: Collector;
  /** Hostname → the host key that was pinned. */
  readonly pinned: Map<string, string>;
  readonly reports: VmReport[];
  readonly machine: (
    hostname: string,
    options?: Partial<SshdOptions>,
  ) => Promise<{ readonly sshd: Sshd; readonly target: Target }>;
  readonly download: (targets: readonly Target[], signal?: AbortSignal) => ReturnType<Collector['download']>;
  /** The archive of a download that must succeed, not read yet. */
  readonly stream: (targets: readonly Target[]) => Promise<Readable>;
  /** Downloads to the end and opens the archive. */
  readonly archive: (targets: readonly Target[]) => Promise<Archive>;
};

export function startLab({
  choice = { extensions: ['slp'], leftOut: ['models', 'predictions'] },
  limits = {},
}: { choice?: Choice; limits?: Partial<CollectLimits> } = {}): Lab {
  const stack = new AsyncDisposableStack();
  const pinned = new Map<string, string>();
  const reports: VmReport[] = [];
  const collector = createCollector({
    privateKey: key.privateKey,
    choice,
    limits: { ...defaultLimits, ...limits },
    log: createLog({ level: 'silent', destination: { write: () => undefined } }),
    now: () => new Date(),
    nowMs: () => performance.now(),
    randomUuid: () => randomUUID(),
    pin: (hostname, hostKey) => Promise.resolve(void pinned.set(hostname, hostKey)),
  });
  const download: Lab['download'] = (targets, signal = new AbortController().signal) =>
    collector.download({
      targets,
      by: 'admin',
      hostname: null,
      signal,
      onComplete: (all) => Promise.resolve(void reports.splice(0, reports.length, ...all)),
    });
  const stream: Lab['stream'] = async (targets) => {
    const answer = await download(targets);
    if (!answer.ok) throw new Error(`there is no archive: ${answer.failure.message}`);
    return answer.value.stream;
  };
  return {
    collector,
    pinned,
    reports,
    machine: async (hostname, options = {}) => {
      const sshd = stack.use(await startSshd({ authorizedKey: key.publicKey, ...options }));
      const target: Target = {
        hostname,
        address: '127.0.0.1',
        port: sshd.port,
        user: sshd.user,
        hostKey: sshd.hostKey,
        place: { kind: 'folder', folder: sshd.folder },
        participant: null,
      };
      return { sshd, target };
    },
    download,
    stream,
    archive: async (targets) => openArchive(await buffer(await stream(targets))),
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

const manifestSchema = z.object({
  vms: z.array(
    z.object({
      hostname: z.string(),
      participant: z.string().nullable(),
      files: z.number(),
      bytes: z.number(),
      seconds: z.number(),
      failure: z.object({ kind: z.string(), reason: z.string() }).nullable(),
      left_behind: z
        .object({
          files: z.number(),
          bytes: z.number(),
          by_extension: z.record(z.string(), z.object({ files: z.number(), bytes: z.number() })),
        })
        .nullable(),
      notes: z.array(z.string()),
      entries: z.array(
        z.object({
          name: z.string(),
          path_base64: z.string().optional(),
          bytes: z.number(),
          sha256: z.string(),
          modified: z.string(),
          cut: z.boolean(),
          changed: z.boolean().optional(),
        }),
      ),
      missing: z.array(z.object({ name: z.string(), reason: z.string() })),
    }),
  ),
});

export type Archive = {
  /** Name → SHA-256 of the machines' files, as Python's zipfile reads them. */
  readonly files: Readonly<Record<string, string>>;
  /** Of the whole zip. */
  readonly bytes: number;
  readonly manifest: z.output<typeof manifestSchema>;
  readonly csv: string;
  /** Null if nothing is missing. */
  readonly missing: string | null;
  /** All names, in order. */
  readonly names: readonly string[];
};

const PYTHON = `
import sys, json, zipfile, hashlib
z = zipfile.ZipFile(sys.argv[1])
# Reading a file to its end compares its checksum.
roots = ['manifest.json', 'manifest.csv', 'MISSING.txt']
text = lambda name: z.read(name).decode() if name in z.namelist() else None
files = {}
for name in z.namelist():
    if name not in roots:
        h = hashlib.sha256()
        with z.open(name) as f:
            for piece in iter(lambda: f.read(1 << 20), b''): h.update(piece)
        files[name] = h.hexdigest()
print(json.dumps({'names': z.namelist(), 'files': files, 'manifest': text(roots[0]), 'csv': text(roots[1]), 'missing': text(roots[2])}))
`;

const seenSchema = z.object({
  names: z.array(z.string()),
  files: z.record(z.string(), z.string()),
  manifest: z.string(),
  csv: z.string(),
  missing: z.string().nullable(),
});

/** Both programs must find nothing wrong with it. */
export async function openArchive(zip: Buffer): Promise<Archive> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-zip-'));
  try {
    const path = join(folder, 'lab.zip');
    await writeFile(path, zip);
    await run('unzip', ['-tqq', path]);
    const { stdout } = await run('python3', ['-c', PYTHON, path], { maxBuffer: 1e9 });
    const { names, files, manifest, csv, missing } = seenSchema.parse(JSON.parse(stdout));
    return {
      names,
      files,
      bytes: zip.length,
      manifest: manifestSchema.parse(JSON.parse(manifest)),
      csv,
      missing,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The first piece of a stream, which then waits. */
export async function firstPiece(stream: Readable): Promise<Buffer> {
  for (;;) {
    const piece: unknown = stream.read(1_000);
    if (Buffer.isBuffer(piece)) return piece;
    await new Promise((resolve) => stream.once('readable', resolve));
  }
}
