// Waits for assignments, one after the other. Each command is run once, and its outcome reported until it is answered.
import * as z from 'zod';
import { isAborted, sleep } from '../async/abort.ts';
import type { Schemas } from '../client/client.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import { parseCrdCommand } from '../vms/crd-command.ts';
import type { AgentContext } from './context.ts';
import { delayAfter, isFinal, notAnAllocator, untilAnswered, type Answer, type Send } from './requests.ts';
import { runStartHost } from './start-host.ts';
import { findCommand, withCommand, type CommandRecord } from './state.ts';

/** After a poll of this length the back-off begins anew. */
const GOOD_POLL_MS = 30_000;
/** The contract's limit is 2,000. */
const MESSAGE_MAX_LENGTH = 1_000;
const POLLING = 'waiting for an assignment';

const deliverySchema = z.object({
  status: z.literal('success'),
  command: z.string(),
  pin: z.string().regex(/^[0-9]{6}$/),
  assignment_id: z.string(),
  command_number: z.number(),
});
type Delivery = z.output<typeof deliverySchema>;

/** Runs until the agent stops. */
export async function deliverAssignments(context: AgentContext): Promise<void> {
  const { options, stopping, presence, errors } = context;
  await finishCommands(context);
  await presence.announced;
  if (!isAborted(stopping)) options.dependencies.log.info('waiting for an assignment');
  let failures = 0;
  while (!isAborted(stopping)) {
    const startedMs = Date.now();
    const answer = await poll(context);
    if (answer.ok) {
      const isNew = await handle(context, answer.value);
      failures = 0;
      // A delivery whose outcome the allocator has already is not worth a quick next poll.
      if (!isNew) await sleep(options.intervals.backoffMaxMs, stopping);
      continue;
    }
    if (isAborted(stopping)) return;
    if (answer.failure.code === 'unknown_vm') presence.reportAgain();
    if (Date.now() - startedMs >= GOOD_POLL_MS) failures = 0;
    errors.report(POLLING, describeFailure(answer.failure));
    await sleep(delayAfter(answer, failures++, options.intervals), stopping);
  }
}

/** An answer of 200 may come from something other than the allocator. */
async function poll({ api, options, stopping, errors }: AgentContext): Promise<Answer<Delivery>> {
  const body = { hostname: options.hostname, confirms: true };
  const answer = await api.poll(
    (client, signal) => client.POST('/vm_startup', { body, signal }),
    stopping,
    () => errors.resolve(POLLING),
  );
  if (!answer.ok) return answer;
  const read = deliverySchema.safeParse(answer.value);
  return read.success ? succeed(read.data) : fail(notAnAllocator);
}

/** False: the command was run before; its outcome was only reported again. */
async function handle(context: AgentContext, delivery: Delivery): Promise<boolean> {
  const { state, options, exclusive } = context;
  const key = { assignmentId: delivery.assignment_id, commandNumber: delivery.command_number };
  const known = findCommand(state.content, key);
  if (known) {
    await acknowledge(context, known);
    return false;
  }
  options.dependencies.log.info(`received command ${key.commandNumber} of assignment ${key.assignmentId}`);
  await save(context, { ...key, outcome: 'started', message: null, reported: false });
  const outcome = await exclusive.runExclusive(() => run(context, delivery));
  const record: CommandRecord = {
    ...key,
    outcome: outcome.ok ? 'registered' : 'failed',
    message: outcome.ok ? null : outcome.failure.slice(0, MESSAGE_MAX_LENGTH),
    reported: false,
  };
  await save(context, record);
  await acknowledge(context, record);
  return true;
}

/** The command is never run: the code is taken out of it. */
async function run(
  { options, closing }: AgentContext,
  { command, pin }: Delivery,
): Promise<Result<undefined, string>> {
  const parsed = parseCrdCommand(command);
  if (!parsed.ok) return fail('The command has no code that the agent would run.');
  return runStartHost(options, { code: parsed.value.code, pin }, closing);
}

function save({ state }: AgentContext, record: CommandRecord): Promise<void> {
  return state.change((content) => withCommand(content, record));
}

/** After a restart: a command that was started is never run again. */
async function finishCommands(context: AgentContext): Promise<void> {
  for (const record of context.state.content.commands) {
    if (record.reported) continue;
    const finished: CommandRecord =
      record.outcome === 'started'
        ? { ...record, outcome: 'failed', message: 'The agent was restarted while start-host ran.' }
        : record;
    await save(context, finished);
    await acknowledge(context, finished);
  }
}

/** Reports the outcome until it is answered; once more when the agent stops, or else after its restart. */
async function acknowledge(context: AgentContext, record: CommandRecord): Promise<void> {
  const { options, stopping, closing, api } = context;
  const { log } = options.dependencies;
  const body: Schemas['Outcome'] = {
    hostname: options.hostname,
    command_number: record.commandNumber,
    outcome: record.outcome === 'registered' ? 'registered' : 'failed',
    ...(record.message !== null && { message: record.message }),
  };
  const params = { path: { id: record.assignmentId } };
  const send: Send<Schemas['Message']> = (client, signal) =>
    client.POST('/api/v1/assignments/{id}/outcome', { params, body, signal });
  const answer =
    (stopping.aborted ? null : await untilAnswered(context, 'acknowledging', send, stopping)) ??
    (await api.ask(send, closing));
  if (answer.ok) log.info(`acknowledged command ${record.commandNumber}: ${body.outcome}`);
  else if (isFinal(answer.failure)) log.warn(`acknowledging: ${describeFailure(answer.failure)}`);
  else return;
  await save(context, { ...record, reported: true });
}
