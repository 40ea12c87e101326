// Agents of machines that send their logs, batch after batch, until they are stopped.
import { createLablinkClient } from '../../src/client/client.ts';

const LINES_OF_A_BATCH = 5;
const BATCHES_PER_SECOND = 10;

type Agent = { readonly hostname: string; readonly token: string };

export type AgentLogs = {
  /** The number of lines of each hostname of which the allocator said that it has them. */
  readonly acknowledged: () => ReadonlyMap<string, number>;
  /** All lines that were sent for this hostname, in order. */
  readonly sent: (hostname: string) => readonly string[];
  /** Resolves when the last batches were answered; rejects if one was refused. */
  readonly done: Promise<unknown>;
};

/** Each agent sends the next batch when the one before was acknowledged, at most so many in a second. */
export function sendLogs(baseUrl: string, agents: readonly Agent[], signal: AbortSignal): AgentLogs {
  const acknowledged = new Map<string, number>();
  const sent = new Map<string, string[]>(agents.map(({ hostname }) => [hostname, []]));

  async function send({ hostname, token }: Agent): Promise<void> {
    const client = createLablinkClient({ baseUrl, token });
    const lines = sent.get(hostname) ?? [];
    while (!signal.aborted) {
      const pause = new Promise((resolve) => setTimeout(resolve, 1_000 / BATCHES_PER_SECOND));
      const from = lines.length;
      for (let number = from; number < from + LINES_OF_A_BATCH; number++)
        lines.push(`${hostname} has done step ${number}`);
      const body = {
        ...{ log_group: 'agents', log_stream: hostname, messages: lines.slice(from) },
        event_ids: lines.slice(from).map((_line, index) => `${hostname}-${from + index}`),
      };
      const { response } = await client.POST('/api/vm-logs', { body });
      if (response.status !== 200) throw new Error(`logs of ${hostname} were answered ${response.status}`);
      acknowledged.set(hostname, lines.length);
      await pause;
    }
  }

  return {
    acknowledged: () => new Map(acknowledged),
    sent: (hostname) => sent.get(hostname) ?? [],
    done: Promise.all(agents.map(send)),
  };
}
