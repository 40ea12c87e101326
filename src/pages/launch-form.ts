// The form that launches machines: on its own page, and again where a launch was refused.
import { suggestMachines } from '../vms/launch-size.ts';
import type { FormError } from './index-page.ts';
import { COST_UNKNOWN, costSentence, readWholeNumber } from './launch-cost.ts';
import { canarySentence, quotaSentence } from './words/fleet.ts';
import type { View } from './render.ts';
import { words } from './words.ts';

/** What machines cost, and how many are possible; of a provider that bills. */
export type LaunchPlan = {
  readonly machineType: string;
  readonly pricePerHourUsd: number | null;
  readonly pricedAt: string;
  readonly neededVcpusPerVm: number | null;
  readonly quotaVcpus: number | null;
  readonly usedVcpus: number | null;
};

export type LaunchFormModel = {
  /** How many a launch may have; null where that cannot be said right now. */
  readonly maxVms: number | null;
  /** What was typed. */
  readonly numVms: string;
  /** What stands in the field of the hours; empty = as the server is set up. */
  readonly hours: string;
  /** What an empty field means; null = no end. */
  readonly defaultHours: number | null;
  /** A launch of more machines than this sends one ahead; null = none does. */
  readonly canaryAbove: number | null;
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
  const typed = model.numVms === '' && suggested !== null ? String(suggested) : model.numVms;
  const wrong = error?.fields ?? {};
  return {
    maxVms,
    numVms: typed,
    canary: canarySentence(model.canaryAbove),
    fieldError: wrong['num_vms'] ?? null,
    hours: model.hours,
    hoursError: wrong['hours'] ?? null,
    people: people?.typed ?? '',
    peopleError: people && people.count === null ? words.fleet.create.peopleWrong : null,
    suggested,
    plan:
      plan && planView(plan, { machines: readWholeNumber(typed), hours: hoursOf(model) }, model.defaultHours),
  };
}

type Wanted = { readonly machines: number | null; readonly hours: number | null };

function planView(plan: LaunchPlan, wanted: Wanted, defaultHours: number | null): View {
  const { machineType, pricePerHourUsd: price, pricedAt } = plan;
  return {
    machineType,
    price: price === null ? null : price.toFixed(2),
    pricedAt: price === null ? null : pricedAt,
    quota: quotaSentence(plan),
    cost:
      price === null
        ? null
        : { price, defaultHours: defaultHours ?? '', text: costSentence(price, wanted) ?? COST_UNKNOWN },
  };
}

function hoursOf({ hours, defaultHours }: LaunchFormModel): number | null {
  return hours.trim() === '' ? defaultHours : readWholeNumber(hours);
}
