// The rules of the waiting list: what is shown, and a model of the list against what nobody may ever see.
import { expect, test } from 'vitest';
import {
  estimateStep,
  MAX_MISSED,
  minutesOfStep,
  missingMachines,
  PRESENT_SECONDS,
  queueSentence,
  RESERVATION_SECONDS,
  shownStep,
  waitSentence,
} from '../../src/vms/waiting.ts';
import { createDraw } from '../support/draw.ts';
import { drawStep, type Step } from '../support/waiting-history.ts';
import { WaitingModel } from '../support/waiting-model.ts';

const RUNS = 10_000;
const STEPS = 40;

/** Carries out a step; a reservation that passes somebody who could have had it is thrown. */
function take(model: WaitingModel, step: Step): void {
  switch (step.kind) {
    case 'join':
      model.join(step.name);
      return;
    case 'leave':
      model.leave(step.name);
      return;
    case 'call':
      model.call(step.name);
      return;
    case 'add':
      if (!model.machines.has(step.vm)) model.addVm(step.vm);
      return;
    case 'release':
      model.release(step.vm);
      return;
    case 'pass':
      model.now += step.seconds;
      return;
    case 'claim':
      takeClaim(model, step.name);
      return;
    case 'sweep':
      sweep(model);
      return;
  }
}

function takeClaim(model: WaitingModel, name: string): void {
  const isListed = model.people.has(name);
  const [first] = model.order().filter(({ vm }) => vm === null);
  const vm = model.claim(name);
  if (vm !== null && !isListed && first) throw new Error(`${name} passed ${first.name}`);
  if (model.people.has(name) !== (isListed && vm === null)) throw new Error(`${name} has a VM and a place`);
}

function sweep(model: WaitingModel): void {
  const eligible = model.eligible();
  const before = new Map([...model.people].map(([name, { vm }]) => [name, vm]));
  model.sweep();
  const served = eligible.filter(({ vm }) => vm !== null);
  // Nobody is passed: those who got a VM are the first of those who could get one.
  if (eligible.slice(0, served.length).some(({ vm }) => vm === null)) throw new Error('somebody was passed');
  if (eligible.some(({ name }) => before.get(name) !== null)) throw new Error('somebody got a second one');
  if (served.length < eligible.length && model.unreserved().length > 0)
    throw new Error('a free VM beside one who waits');
}

/** What holds after every step. */
function check(model: WaitingModel): void {
  const reserved = [...model.machines.values()].filter(({ reservedFor }) => reservedFor !== null);
  for (const { name, reservedFor, owner, until } of reserved) {
    if (owner !== null) throw new Error(`${name} is reserved and assigned`);
    if (until - model.now > RESERVATION_SECONDS) throw new Error(`${name} is reserved for too long`);
    if (model.people.get(reservedFor ?? '')?.vm !== name) throw new Error(`${name} is reserved for nobody`);
  }
  const held = [...model.people.values()].filter(({ vm }) => vm !== null);
  if (held.length !== reserved.length) throw new Error('somebody has two, or one that is not reserved');
  for (const { missed } of model.people.values())
    if (missed >= MAX_MISSED) throw new Error('missed too many');
}

test(`in ${RUNS} random histories nobody is passed, no VM is reserved twice, and no reservation outlasts its time`, () => {
  for (let seed = 0; seed < RUNS; seed++) {
    const draw = createDraw(seed);
    const model = new WaitingModel();
    try {
      for (let step = 0; step < STEPS; step++) {
        take(model, drawStep(draw));
        check(model);
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

test('an estimate comes from the launch that runs, else from the releases, else it is not known', () => {
  const launch = { starting: 3, runningSeconds: 60, startSeconds: 300 };
  expect(minutesOfStep(estimateStep(0, { launch, secondsPerRelease: null }))).toBe(5);
  expect(minutesOfStep(estimateStep(2, { launch, secondsPerRelease: 60 }))).toBe(5);
  expect(minutesOfStep(estimateStep(3, { launch, secondsPerRelease: 400 }))).toBe(10);
  expect(estimateStep(3, { launch, secondsPerRelease: null })).toBeNull();
  expect(
    minutesOfStep(estimateStep(0, { launch: { ...launch, runningSeconds: 900 }, secondsPerRelease: null })),
  ).toBe(2);
  expect(estimateStep(0, { launch: { ...launch, startSeconds: null }, secondsPerRelease: null })).toBeNull();
  expect(minutesOfStep(estimateStep(4, { launch: null, secondsPerRelease: 120 }))).toBe(10);
  expect(waitSentence(estimateStep(99, { launch: null, secondsPerRelease: 900 }))).toMatch(
    /more than 120 minutes/,
  );
  expect(waitSentence(null)).toBe('How long you will wait is not known.');
});

test('what a page shows is never more than one step worse than the best that it has shown', () => {
  const draw = createDraw(7);
  let best: number | null = null;
  for (let count = 0; count < 10_000; count++) {
    const step = draw.chance(0.1) ? null : draw.below(11);
    const shown: number | null = shownStep(step, best);
    if (shown !== null && best !== null) expect(shown).toBeLessThanOrEqual(best + 1);
    if (shown !== null && step !== null) expect(shown).toBeLessThanOrEqual(step);
    if (shown !== null) best = Math.min(best ?? shown, shown);
  }
});

test('the organiser reads how many machines are missing, without those that are on their way', () => {
  const facts = { waiting: 5, free: 0, starting: 2, resetting: 1 };
  expect(missingMachines(facts)).toBe(2);
  expect(missingMachines({ ...facts, starting: 9 })).toBe(0);
  expect(queueSentence(5, 2)).toBe('5 people are waiting. 2 machines are missing.');
  expect(queueSentence(1, 0)).toMatch(/^1 person is waiting\. Machines/);
  expect(queueSentence(0, 0)).toBe('Nobody is waiting.');
});

test('a page in the background, which browsers wake once a minute, is present', () => {
  expect(PRESENT_SECONDS).toBeGreaterThan(60 + 10);
});
