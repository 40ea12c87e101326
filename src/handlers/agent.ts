// Serves the agent program that `make agent` has built, for images and boot scripts.
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HandlersOf } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';

export type AgentDependencies = {
  /** The output folder of `make agent`. */
  readonly agentFolder: string;
};

export function createAgentHandlers({ agentFolder }: AgentDependencies): HandlersOf<'agent'> {
  return {
    getAgentFile: async ({ path: { file }, signal }) => {
      const path = join(agentFolder, file);
      const sizeBytes = await sizeOf(path);
      if (sizeBytes === null) return problem('agent_not_built');
      const headers = { ...NO_CACHE, 'Content-Length': String(sizeBytes) };
      switch (file) {
        case 'lablink-agent.mjs':
          return {
            status: 200,
            type: 'text/javascript',
            body: await readFile(path, 'utf8'),
            headers: NO_CACHE,
          };
        case 'SHA256SUMS':
          return { status: 200, type: 'text/plain', body: await readFile(path, 'utf8'), headers: NO_CACHE };
        case 'lablink-agent-linux-x64.gz':
          return { status: 200, type: 'application/gzip', body: createReadStream(path, { signal }), headers };
      }
    },
  };
}

/** The file names stay the same from release to release. */
const NO_CACHE = { 'Cache-Control': 'no-cache' };

/** Null if there is no such file. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    const { size } = await stat(path);
    return size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
