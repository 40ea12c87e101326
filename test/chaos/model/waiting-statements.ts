// What the statements about the waiting list mean in the model, and what must be true of the list after each commit.
import { MAX_MISSED, PRESENT_SECONDS, RESERVATION_SECONDS } from '../../../src/vms/waiting.ts';
import { texts, type Row } from './delivery-statements.ts';
import { isUnreserved, type ModelPlace, type ModelVm, type World } from './world.ts';

const SECOND_MS = 1_000;
/** As often as presence is written. */
const RECENT_MS = 10 * SECOND_MS;

/** Invariants of the list; only the model looks at each commit. */
export const listInvariants = {
  passed: 'nobody passes those who wait',
  reserved: 'a machine is reserved for one person, and a person has one reserved',
} as const;

const isOn = ({ leftAt }: ModelPlace): boolean => leftAt === null;
const places = ({ list }: World): ModelPlace[] => [...list.values()];

/** Who waits for a machine, in their order. */
export const whoWaits = (world: World): ModelPlace[] =>
  places(world)
    .filter((place) => isOn(place) && place.reservedVm === null)
    .sort((one, other) => one.position - other.position);

export const placeOf = (world: World, email: string): ModelPlace | undefined =>
  places(world).find((place) => place.email === email);

export function leaveList(world: World, email: string): void {
  const place = placeOf(world, email);
  if (place) world.list.delete(place.id);
}

/** The machine that may be given to the person of this place now. */
export function reservedFor(world: World, { id, reservedVm }: ModelPlace): ModelVm | undefined {
  const vm = world.vms.get(reservedVm ?? '');
  return vm?.reservedFor === id && (vm.reservedUntil ?? 0) > world.now() ? vm : undefined;
}

function add(world: World, place: Pick<ModelPlace, 'id' | 'email' | 'browsers' | 'code'>): void {
  world.positions += 1;
  const now = world.now();
  world.list.set(place.id, {
    ...place,
    position: world.positions,
    since: now,
    missed: 0,
    leftAt: null,
    reservedVm: null,
    presentAt: now,
    step: null,
  });
}

export function joinTogether(world: World, [ids, emails, browsers, codes]: readonly unknown[]): Row[] {
  const ahead = whoWaits(world).length;
  const joined = texts(ids).flatMap((id, index) => {
    const email = texts(emails)[index] ?? '';
    if (placeOf(world, email)) return [];
    const place = { id, email, browsers: [texts(browsers)[index] ?? ''], code: texts(codes)[index] ?? '' };
    add(world, place);
    return [id];
  });
  const since = new Date(world.now());
  const is_vm_free = [...world.vms.values()].some(isUnreserved);
  return joined.map((id, index) => ({ id, since, ahead: ahead + index, is_vm_free }));
}

export function joinAlone(world: World, parameters: readonly unknown[]): Row[] {
  const [id = '', email = '', browser = '', code = ''] = parameters.map(String);
  if (placeOf(world, email)) return [];
  add(world, { id, email, browsers: [browser], code });
  return [{ id }];
}

export function openPlace(world: World, [email]: readonly unknown[]): Row[] {
  const place = placeOf(world, String(email));
  return place ? [{ ...place, code_failures: 0, locked_seconds: null }] : [];
}

export function joinAgain(world: World, parameters: readonly unknown[]): Row[] {
  const place = world.list.get(String(parameters.at(-1)));
  if (!place || isOn(place)) return [];
  world.positions += 1;
  Object.assign(place, { leftAt: null, missed: 0, position: world.positions, since: world.now() });
  return [];
}

export function notePages(world: World, [ids, steps]: readonly unknown[]): Row[] {
  texts(ids).forEach((id, index) => {
    const place = world.list.get(id);
    if (!place) return;
    if (world.now() - place.presentAt >= RECENT_MS) place.presentAt = world.now();
    const step = (steps as readonly (number | null)[])[index] ?? null;
    if (step !== null) place.step = Math.min(step, place.step ?? step);
  });
  return [];
}

export function findPlace(world: World, parameters: readonly unknown[]): Row[] {
  const place = world.list.get(String(parameters.at(-1)));
  if (!place) return [];
  const vm = world.vms.get(place.reservedVm ?? '');
  const until = vm?.reservedFor === place.id ? vm.reservedUntil : null;
  return [
    {
      ...place,
      since: new Date(place.since),
      left_at: place.leftAt === null ? null : new Date(place.leftAt),
      left_reason: place.leftAt === null ? null : 'missed',
      called_at: null,
      reserved_vm: place.reservedVm,
      reserved_until: until === null ? null : new Date(until),
      present_at: new Date(place.presentAt),
      is_present: world.now() - place.presentAt < RECENT_MS,
      best_estimate_step: place.step,
      wants_mail: false,
      ahead: whoWaits(world).filter(({ position }) => position < place.position).length,
    },
  ];
}

export function isListInUse(world: World): Row[] {
  return places(world)
    .filter(isOn)
    .slice(0, 1)
    .map(({ id }) => ({ id }));
}

export function countUnreserved({ vms }: World): Row[] {
  return [{ count: [...vms.values()].filter(isUnreserved).length }];
}

/** Of those who have a machine already. */
export function removeServed(world: World): Row[] {
  for (const { email, releasedAt } of world.assignments.values()) {
    const place = releasedAt === null ? placeOf(world, email) : undefined;
    if (!place) continue;
    world.list.delete(place.id);
    for (const vm of world.vms.values()) if (vm.reservedFor === place.id) vm.reservedFor = null;
  }
  return [];
}

/** One sweep, as `reserveVms` does it. */
export function reserve(world: World): Row[] {
  const now = world.now();
  const isPresent = ({ presentAt }: ModelPlace): boolean => now - presentAt < PRESENT_SECONDS * SECOND_MS;
  const people = whoWaits(world).filter(isPresent);
  const vms = [...world.vms.values()];
  const unlocked = (vm: ModelVm): boolean => !world.isLocked() && vm.hostname !== '';
  const free = vms.filter((vm) => isUnreserved(vm) && unlocked(vm));
  const held = vms.filter(
    (vm) => vm.reservedFor !== null && ((vm.reservedUntil ?? 0) <= now || !isFreeBut(vm)) && unlocked(vm),
  );
  for (const vm of held) {
    const place = world.list.get(vm.reservedFor ?? '');
    const isMissed = isFreeBut(vm);
    if (place) Object.assign(place, { reservedVm: null, missed: place.missed + Number(isMissed) });
    if (place && isMissed && place.missed >= MAX_MISSED) place.leftAt = now;
    Object.assign(vm, { reservedFor: null, reservedUntil: null });
  }
  const machines = [...held.filter(isFreeBut), ...free];
  return people.flatMap((person, index) => {
    const vm = machines[index];
    if (!vm) return [];
    person.reservedVm = vm.hostname;
    Object.assign(vm, { reservedFor: person.id, reservedUntil: now + RESERVATION_SECONDS * SECOND_MS });
    if (world.sabotage === 'a machine is reserved twice') {
      const other = people[index + 1];
      if (other) other.reservedVm = vm.hostname;
    }
    return [{ id: person.id, hostname: vm.hostname }];
  });
}

/** Free, were it not reserved. */
const isFreeBut = (vm: ModelVm): boolean => isUnreserved({ ...vm, reservedFor: null });

/** After every commit: what it has broken, by what was before. */
export function noteList(world: World): void {
  const { before } = world;
  for (const { id, email, hostname } of world.assignments.values()) {
    if (before.assignments.has(id)) continue;
    before.assignments.add(id);
    const others = before.waiting.filter((waiting) => waiting !== email);
    if (before.reserved.get(email) !== hostname && others.length > 0)
      world.brokenByCommits.push({
        invariant: listInvariants.passed,
        evidence: `${email} got ${hostname}, while ${others.join(', ')} waited`,
      });
  }
  const wrong = wrongReservations(world);
  for (const evidence of wrong) world.brokenByCommits.push({ invariant: listInvariants.reserved, evidence });
  before.waiting = whoWaits(world).map(({ email }) => email);
  before.reserved = new Map(places(world).map(({ email, reservedVm }) => [email, reservedVm]));
  const somebody = before.waiting.length > 0;
  world.nobodyWaitsSince = somebody ? null : (world.nobodyWaitsSince ?? world.step);
}

function wrongReservations(world: World): string[] {
  const ofVms = [...world.vms.values()].flatMap(({ hostname, reservedFor: id, assignmentId }) => {
    if (id === null) return [];
    if (assignmentId !== null) return [`${hostname} is reserved, and somebody has it`];
    return world.list.get(id)?.reservedVm === hostname
      ? []
      : [`${hostname} is reserved for ${id}, who has none`];
  });
  const ofPeople = places(world).flatMap(({ id, email, reservedVm }) =>
    reservedVm === null || world.vms.get(reservedVm)?.reservedFor === id
      ? []
      : [`${email} has ${reservedVm} reserved, which is not reserved for them`],
  );
  return [...ofVms, ...ofPeople];
}
