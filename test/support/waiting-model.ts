// The waiting list as a model: the same rules as in db/reservations.ts and db/claim.ts, in memory and with its own clock.
import { MAX_MISSED, PRESENT_SECONDS, RESERVATION_SECONDS } from '../../src/vms/waiting.ts';

/** As often as the database writes that a page has asked. */
const WRITTEN_SECONDS = 10;

export type Person = {
  readonly name: string;
  position: number;
  presentAt: number;
  missed: number;
  /** When, in the order of calls; null = not called. */
  calledAt: number | null;
  vm: string | null;
};
export type Machine = {
  readonly name: string;
  reservedFor: string | null;
  until: number;
  owner: string | null;
};

const byName = (one: Machine, other: Machine): number => (one.name < other.name ? -1 : 1);

export class WaitingModel {
  now = 0;
  #position = 0;
  #calls = 0;
  readonly people = new Map<string, Person>();
  readonly machines = new Map<string, Machine>();

  /** Who joins again, or whose page asks, keeps the place. */
  join(name: string): void {
    const found = this.people.get(name);
    if (found) {
      if (this.now - found.presentAt >= WRITTEN_SECONDS) found.presentAt = this.now;
    } else {
      this.#position += 1;
      const position = this.#position;
      this.people.set(name, { name, position, presentAt: this.now, missed: 0, calledAt: null, vm: null });
    }
  }

  addVm(name: string): void {
    this.machines.set(name, { name, reservedFor: null, until: 0, owner: null });
  }

  /** Everybody on the list, in its order. */
  order(): Person[] {
    return [...this.people.values()].sort(
      (one, other) =>
        (one.calledAt ?? Infinity) - (other.calledAt ?? Infinity) || one.position - other.position,
    );
  }

  /** Those who could get a VM now, in order. */
  eligible(): Person[] {
    return this.order().filter(
      ({ vm, calledAt, presentAt }) =>
        vm === null && (calledAt !== null || this.now - presentAt < PRESENT_SECONDS),
    );
  }

  unreserved(): Machine[] {
    return [...this.machines.values()]
      .filter(({ owner, reservedFor }) => owner === null && reservedFor === null)
      .sort(byName);
  }

  /** What one sweep does; the same as one statement of the database. */
  sweep(): void {
    const eligible = this.eligible();
    const over = [...this.machines.values()]
      .filter(({ reservedFor, until }) => reservedFor !== null && until <= this.now)
      .sort(byName);
    const machines = [...over, ...this.unreserved()];
    for (const machine of over) {
      this.#miss(machine.reservedFor ?? '');
      machine.reservedFor = null;
    }
    for (const person of eligible) {
      const machine = machines.shift();
      if (!machine) break;
      machine.reservedFor = person.name;
      machine.until = this.now + RESERVATION_SECONDS;
      person.vm = machine.name;
    }
  }

  #miss(name: string): void {
    const person = this.people.get(name);
    if (!person) return;
    Object.assign(person, { missed: person.missed + 1, vm: null, calledAt: null });
    if (person.missed >= MAX_MISSED) this.people.delete(name);
  }

  /** The VM that this person gets when they submit the form; null = none. */
  claim(name: string): string | null {
    const person = this.people.get(name);
    if (person) {
      const machine = this.machines.get(person.vm ?? '');
      if (!machine || machine.until <= this.now) return null;
      this.people.delete(name);
      return this.#give(machine, name);
    }
    if ([...this.people.values()].some(({ vm }) => vm === null)) return null;
    const [machine] = this.unreserved();
    return machine ? this.#give(machine, name) : null;
  }

  #give(machine: Machine, name: string): string {
    Object.assign(machine, { owner: name, reservedFor: null });
    return machine.name;
  }

  /** The VM of an assignment that has ended is free again. */
  release(vm: string): void {
    const machine = this.machines.get(vm);
    if (machine) machine.owner = null;
  }

  leave(name: string): void {
    const machine = this.machines.get(this.people.get(name)?.vm ?? '');
    if (machine) machine.reservedFor = null;
    this.people.delete(name);
  }

  call(name: string): void {
    const person = this.people.get(name);
    if (person?.vm === null) person.calledAt ??= this.#calls += 1;
  }
}
