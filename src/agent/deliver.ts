// Waits for assignments, one after the other: each command is run once, and its outcome told until it is answered.
import type { Schemas } from '../client/client.ts';
import { ORPHAN, type Answer } from './api.ts';
import { readCrdCommand } from './crd-command.ts';
import { findCommand, withCommand, type CommandRecord } from './memory.ts';
import type { AgentParts } from './parts.ts';
import { delayAfter, isFinal, isUnknownVm, sentenceOf, untilAnswered } from './retry.ts';
import { runStartHost, type StartHostOutcome } from './start-host.ts';
import { isAborted } from './turn.ts';

/** A poll that lived so long was a good one: what ended it is not held against the allocator. */
const GOOD_POLL_MS = 30_000;
/** The contract's limit is 2,000. */
const MESSAGE_MAX_LENGTH = 1_000;
const POLLING = 'waiting for an assignment';

/** Runs until the agent stops. */
export async function deliverAssignments(parts: AgentParts): Promise<void> {
  const { options, stopping, presence } = parts;
  await finishCommands(parts);
  await presence.announced;
  if (!isAborted(stopping)) options.world.log.info('waiting for an assignment');
  let failures = 0;
  while (!isAborted(stopping)) {
    const began = options.world.clock.now();
    const answer = readDelivery(await poll(parts));
    if (isAborted(stopping) && answer.kind !== 'ok') return;
    if (answer.kind === 'ok') {
      const isNew = await handle(parts, answer.data);
      // Given again what it was told about: that is not worth a hurry.
      await options.world.clock.sleep(isNew ? 0 : options.intervals.backoffMaxMs, stopping);
      failures = 0;
      continue;
    }
    if (isUnknownVm(answer)) presence.tellAgain();
    if (options.world.clock.now() - began >= GOOD_POLL_MS) failures = 0;
    parts.troubles.tell(POLLING, sentenceOf(answer));
    await options.world.clock.sleep(delayAfter(answer, failures++, parts), stopping);
  }
}

async function poll({ api, options, stopping, troubles }: AgentParts): Promise<Answer<Schemas['Delivery']>> {
  return api.wait(
    (client, signal) =>
      client.POST('/vm_startup', { body: { hostname: options.hostname, confirms: true }, signal }),
    stopping,
    () => troubles.over(POLLING),
  );
}

/** An answer of 200 may come from something else than the allocator: what does not look like a delivery is none. */
function readDelivery(answer: Answer<Schemas['Delivery']>): Answer<Schemas['Delivery']> {
  if (answer.kind !== 'ok') return answer;
  const given: Partial<Record<keyof Schemas['Delivery'], unknown>> = answer.data;
  const isDelivery =
    given.status === 'success' &&
    typeof given.command === 'string' &&
    typeof given.pin === 'string' &&
    /^[0-9]{6}$/.test(given.pin) &&
    typeof given.assignment_id === 'string' &&
    typeof given.command_number === 'number';
  return isDelivery ? answer : ORPHAN;
}

/** False where it was nothing new: the allocator has given what it was told about already. */
async function handle(parts: AgentParts, delivery: Schemas['Delivery']): Promise<boolean> {
  const { memory, options } = parts;
  const key = { assignmentId: delivery.assignment_id, commandNumber: delivery.command_number };
  const known = findCommand(memory.content, key);
  if (known) {
    await acknowledge(parts, known);
    return false;
  }
  options.world.log.info(`given command ${key.commandNumber} of assignment ${key.assignmentId}`);
  await remember(parts, { ...key, outcome: 'started', message: null, told: false });
  const outcome = await parts.turns(() => run(parts, delivery));
  const message = outcome.outcome === 'failed' ? outcome.message.slice(0, MESSAGE_MAX_LENGTH) : null;
  const record: CommandRecord = { ...key, outcome: outcome.outcome, message, told: false };
  await remember(parts, record);
  await acknowledge(parts, record);
  return true;
}

async function run(
  { options, closing }: AgentParts,
  delivery: Schemas['Delivery'],
): Promise<StartHostOutcome> {
  const command = readCrdCommand(delivery.command);
  if (!command) return { outcome: 'failed', message: 'The command holds no code that this agent would run.' };
  return runStartHost(options, { ...command, pin: delivery.pin }, closing);
}

function remember({ memory }: AgentParts, record: CommandRecord): Promise<void> {
  return memory.change((content) => withCommand(content, record));
}

/** What an earlier life of the agent left: a command that was begun is never run again. */
async function finishCommands(parts: AgentParts): Promise<void> {
  for (const record of parts.memory.content.commands) {
    if (record.told) continue;
    const finished: CommandRecord =
      record.outcome === 'started'
        ? { ...record, outcome: 'failed', message: 'The agent was restarted while start-host ran.' }
        : record;
    await remember(parts, finished);
    await acknowledge(parts, finished);
  }
}

/** Tells the outcome until it is answered. Told to stop, it tries once more: the memory has it for the next life. */
async function acknowledge(parts: AgentParts, record: CommandRecord): Promise<void> {
  const { options, stopping } = parts;
  const body: Schemas['Outcome'] = {
    hostname: options.hostname,
    command_number: record.commandNumber,
    outcome: record.outcome === 'registered' ? 'registered' : 'failed',
    ...(record.message !== null && { message: record.message }),
  };
  const params = { path: { id: record.assignmentId } };
  const send: Parameters<typeof untilAnswered<Schemas['Message']>>[2] = (client, signal) =>
    client.POST('/api/v1/assignments/{id}/outcome', { params, body, signal });
  const answer =
    (stopping.aborted ? null : await untilAnswered(parts, 'acknowledging', send, stopping)) ??
    (await parts.api.ask(send, parts.closing));
  if (answer.kind === 'ok')
    options.world.log.info(`acknowledged command ${record.commandNumber}: ${body.outcome}`);
  else if (isFinal(answer))
    options.world.log.warn(`the outcome was refused (${answer.status}): ${answer.detail}`);
  else return;
  await remember(parts, { ...record, told: true });
}
