// The participants of the model, and what they are told.
import { isAborted } from '../../../src/async/abort.ts';
import { parseCrdCommand } from '../../../src/vms/crd-command.ts';
import type { Draw } from '../../support/draw.ts';
import type { FormAnswer } from '../participants.ts';
import type { Clock } from './clock.ts';
import { LEFT, type Network } from './network.ts';
import { isUnreserved, type World } from './world.ts';

export type ModelPerson = {
  readonly email: string;
  readonly code: string;
  readonly answers: readonly FormAnswer[];
  /** Machines that were free all the time while this person was told that all are taken. */
  readonly falseFull: readonly string[];
  readonly hasMachine: boolean;
  readonly join: (afterMs: number, signal: AbortSignal) => Promise<void>;
  /** Opens the page again, with a new command or the same. */
  readonly comeBack: (signal: AbortSignal) => Promise<void>;
};

const AGAIN_MS = 2_000;
const PATIENCE_MS = 20_000;

export function createPerson(
  email: string,
  around: { readonly world: World; readonly clock: Clock; readonly draw: Draw; readonly network: Network },
): ModelPerson {
  const { world, clock, draw, network } = around;
  const answers: FormAnswer[] = [];
  const falseFull: string[] = [];
  let commands = 1;
  let hasMachine = false;
  const codeOf = (): string => `4/0A${email.split('@')[0] ?? ''}-${commands}`;

  /** Sends the form as a page does, and waits where all machines are taken; the others are programs. */
  const isPage = draw.chance(0.5);
  let placeId: string | null = null;

  const isServed = (): boolean => hasMachine;
  const browserId = `browser of ${email}`;

  /** One form; another tab may send it at the same moment. */
  async function send(signal: AbortSignal): Promise<void> {
    const sentAt = clock.now();
    const since = world.step;
    const leaving = new AbortController();
    const patience = clock
      .sleep(draw.chance(0.1) ? draw.below(200) : PATIENCE_MS)
      .then(() => leaving.abort(LEFT));
    const parsed = parseCrdCommand(`start-host --code="${codeOf()}"`);
    const request = {
      assignmentId: `${email}-${draw.below(2 ** 31)}`,
      email,
      browserId,
      crdCommand: parsed.ok ? parsed.value.command : '',
      pin: String(100_000 + draw.below(900_000)),
      address: '192.0.2.7',
      network: '192.0.2.7',
      channel: 'vm_updates',
      givenPin: null,
      pinWaitSeconds: 0,
      bounds: { perBrowser: 0, perAddress: 0 },
      settingsVersion: null,
      mayClaim: true,
    };
    const answer = await network
      .send((allocator, left) => allocator.request(request, left), AbortSignal.any([signal, leaving.signal]))
      .catch(() => null);
    void patience;
    if (!answer || answer.kind === 'busy') return;
    const known = { email, sentAt, answeredAt: clock.now() };
    if (answer.kind === 'assigned' || answer.kind === 'returned') {
      hasMachine = true;
      placeId = null;
      answers.push({
        ...known,
        kind: 'given',
        hostname: answer.hostname,
        pin: answer.pin,
        assignmentId: answer.id,
      });
      return;
    }
    answers.push({ ...known, kind: 'refused', code: answer.kind });
    if (answer.kind !== 'none_free') return;
    noteFull(since);
    if (!isPage) return;
    const place = await network
      .send((allocator) => allocator.wait(email, browserId), signal)
      .catch(() => null);
    placeId = place?.id ?? placeId;
  }

  /** While somebody waits, or for somebody who has a place, a free machine is not theirs. */
  function noteFull(since: number): void {
    const { nobodyWaitsSince } = world;
    if (placeId !== null || nobodyWaitsSince === null || nobodyWaitsSince > since) return;
    for (const vm of world.vms.values())
      if (isUnreserved(vm) && vm.freeSince !== null && vm.freeSince <= since) falseFull.push(vm.hostname);
  }

  /** Whether it is of use to send the form. */
  async function isTurn(signal: AbortSignal): Promise<boolean> {
    const id = placeId;
    if (id === null) return true;
    const place = await network.send((allocator) => allocator.look(id), signal).catch(() => undefined);
    if (place === null || place?.state === 'left') placeId = null;
    return place !== undefined && place?.state !== 'waiting';
  }

  async function ask(signal: AbortSignal): Promise<void> {
    hasMachine = false;
    while (!isAborted(signal)) {
      if (await isTurn(signal))
        await Promise.all([send(signal), ...(draw.chance(0.2) ? [send(signal)] : [])]);
      if (isServed()) return;
      await clock.sleep(draw.below(AGAIN_MS));
    }
  }

  return {
    email,
    answers,
    falseFull,
    get code() {
      return codeOf();
    },
    get hasMachine() {
      return hasMachine;
    },
    join: async (afterMs, signal) => {
      await clock.sleep(afterMs);
      await ask(signal);
    },
    comeBack: async (signal) => {
      if (draw.chance(0.5)) commands += 1;
      await ask(signal);
    },
  };
}
