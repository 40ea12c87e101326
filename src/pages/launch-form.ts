// The form that launches machines: on its own page, and again where a launch was refused.
import { ONE_SPARE_IN, suggestMachines } from '../vms/launch-size.ts';
import type { FormError } from './index-page.ts';
import { quotaSentence } from './words/fleet.ts';
import type { View } from './render.ts';
import { words } from './words.ts';

/** What machines cost, and how many are possible; of a provider that bills. */
export type LaunchPlan = {
  readonly machineType: string;
  readonly pricePerHourUsd: number | null;
  readonly pricedAt: string | null;
  readonly neededVcpusPerVm: number | null;
  readonly quotaVcpus: number | null;
  readonly usedVcpus: number | null;
  readonly defaultHours: number;
};

export type LaunchFormModel = {
  /** How many a launch may have; null where that cannot be said right now. */
  readonly maxVms: number | null;
  /** What was typed. */
  readonly numVms: string;
  /** What stands in the field of the hours; empty = no end. */
  readonly hours: string;
  /** How many people come, as it was typed; null where nobody asked for a suggestion. */
  readonly people: { readonly typed: string; readonly count: number | null } | null;
  /** Null where machines cost nothing. */
  readonly plan: LaunchPlan | null;
};

function suggestedOf({ maxVms, people }: LaunchFormModel): number | null {
  const count = people?.count ?? null;
  return count === null ? null : Math.min(suggestMachines(count), maxVms ?? Number.MAX_SAFE_INTEGER);
}

/** What the partial `launch-form` reads. */
export function launchFormView(model: LaunchFormModel, error: FormError | null): View {
  const { maxVms, people, plan } = model;
  const suggested = suggestedOf(model);
  const wrong = error?.fields ?? {};
  return {
    maxVms,
    numVms: model.numVms === '' && suggested !== null ? String(suggested) : model.numVms,
    fieldError: wrong['num_vms'] ?? null,
    hours: model.hours,
    hoursError: wrong['hours'] ?? null,
    people: people?.typed ?? '',
    peopleError: people && people.count === null ? words.fleet.create.peopleWrong : null,
    oneSpareIn: ONE_SPARE_IN,
    suggested,
    plan: plan && planView(plan, suggested),
  };
}

function planView(plan: LaunchPlan, machines: number | null): View {
  const { machineType, pricePerHourUsd: price, pricedAt, defaultHours } = plan;
  return {
    machineType,
    price: price === null ? null : price.toFixed(2),
    /** For the page's module: what one machine costs until the end. */
    each: price === null ? null : (price * defaultHours).toFixed(4),
    pricedAt: price === null ? null : pricedAt,
    quota: quotaSentence(plan),
    hours: defaultHours,
    total: price === null || machines === null ? null : `${(price * defaultHours * machines).toFixed(2)} USD`,
  };
}
