// The page that launches machines; its form stands on the page of a refused launch too.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { suggestMachines } from '../vms/launch-size.ts';
import { codeSpans } from './format.ts';
import type { FormError } from './index-page.ts';
import { COST_UNKNOWN, costSentence, readWholeNumber } from './launch-cost.ts';
import { layoutView } from './layout.ts';
import { runningView } from './operations.ts';
import { render, type View } from './render.ts';

/** What machines cost and how many are possible, from a provider that bills. */
export type LaunchPlan = {
  readonly machineType: string;
  readonly pricePerHourUsd: number | null;
  readonly pricedAt: string;
  readonly neededVcpusPerVm: number | null;
  readonly quotaVcpus: number | null;
  readonly usedVcpus: number | null;
};

export type LaunchFormModel = {
  /** The largest launch; null while that is unknown. */
  readonly maxVms: number | null;
  /** What was typed. */
  readonly numVms: string;
  /** The content of the field; empty = the server default. */
  readonly hours: string;
  /** What an empty field means; null = no end. */
  readonly defaultHours: number | null;
  /** A launch of more machines creates one first; null = none does. */
  readonly canaryAbove: number | null;
  /** The expected number of participants; null where nobody asked for a suggestion. */
  readonly people: { readonly typed: string; readonly count: number | null } | null;
  /** Null where machines cost nothing. */
  readonly plan: LaunchPlan | null;
};

export type CreateInstancesModel = LaunchFormModel & {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  /** Why machines cannot be launched right now; null where they can. */
  readonly notReady: { readonly problem: string; readonly remedy: string } | null;
  /** The operation that runs; null where none does. */
  readonly running: components['schemas']['Operation'] | null;
  readonly error: FormError | null;
};

export function renderCreateInstances(model: CreateInstancesModel): string {
  const { notReady, running, error, people } = model;
  return render('create-instances', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: 'Launch machines',
      area: 'admin',
      current: '/admin/create',
      styles: ['operations.css'],
      modules: ['launch.js'],
      isError: error !== null || (people !== null && people.count === null),
    }),
    error: error && { message: error.message },
    notReady: notReady && codeSpans(`${notReady.problem} ${notReady.remedy}`),
    running: running && runningView(running),
    launch: launchFormView(model, error),
  });
}

/** For the partial `launch-form`. */
export function launchFormView(model: LaunchFormModel, error: FormError | null): View {
  const { maxVms, hours, canaryAbove, people, plan, defaultHours } = model;
  const suggested = suggestedNumber(model);
  const numVms = model.numVms === '' && suggested !== null ? String(suggested) : model.numVms;
  const wanted = {
    machines: readWholeNumber(numVms),
    hours: hours.trim() === '' ? defaultHours : readWholeNumber(hours),
  };
  return {
    ...{ maxVms, numVms, hours, suggested },
    ...errorsView(people, error),
    canary: canaryAbove,
    people: people?.typed ?? '',
    plan: plan && planView(plan, wanted, defaultHours),
  };
}

function suggestedNumber({ people, maxVms }: LaunchFormModel): number | null {
  const count = people?.count ?? null;
  return count === null ? null : Math.min(suggestMachines(count), maxVms ?? Infinity);
}

const PEOPLE_WRONG = 'Enter the number of participants as a whole number, such as 40.';

function errorsView(people: LaunchFormModel['people'], error: FormError | null): View {
  return {
    fieldError: error?.fields?.['num_vms'] ?? null,
    hoursError: error?.fields?.['hours'] ?? null,
    peopleError: people && people.count === null ? PEOPLE_WRONG : null,
  };
}

type Wanted = Parameters<typeof costSentence>[1];

function planView(plan: LaunchPlan, wanted: Wanted, defaultHours: number | null): View {
  const { machineType, pricePerHourUsd: price, pricedAt } = plan;
  const quota = quotaSentence(plan);
  if (price === null) return { machineType, quota, price: null, pricedAt: null, cost: null };
  const text = costSentence(price, wanted) ?? COST_UNKNOWN;
  return {
    ...{ machineType, quota, pricedAt },
    price: price.toFixed(2),
    cost: { price, defaultHours: defaultHours ?? '', text },
  };
}

/** How many more machines the quota allows, as far as that is known. */
function quotaSentence({ neededVcpusPerVm, quotaVcpus, usedVcpus }: LaunchPlan): string {
  if (quotaVcpus === null) return 'The quota could not be read. The launch may exceed it and fail.';
  if (usedVcpus === null) return `${quotaVcpus} vCPUs; the number in use is unknown.`;
  const have = `${quotaVcpus} vCPUs, of which ${usedVcpus} are in use.`;
  if (neededVcpusPerVm === null || neededVcpusPerVm <= 0) return have;
  const more = Math.max(0, Math.floor((quotaVcpus - usedVcpus) / neededVcpusPerVm));
  const possible = more === 1 ? '1 more machine is possible' : `${more} more machines are possible`;
  return `${have} Each machine needs ${neededVcpusPerVm}, so ${more === 0 ? 'no more machine is possible' : possible}.`;
}
