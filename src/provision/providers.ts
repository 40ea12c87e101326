// The providers by name, for everybody who asks what one is and needs. Loads no code of a provider.
import { fail, succeed, type Result } from '../result.ts';
import type { ProviderDefinition } from './definition.ts';
import * as list from './list.ts';

type ListedProvider = (typeof list)[keyof typeof list];
export type ProviderName = ListedProvider['name'];

const listed: readonly ListedProvider[] = Object.values(list);

export const providers: readonly (ProviderDefinition & { readonly name: ProviderName })[] = listed;
export const providerNames: readonly ProviderName[] = listed.map(({ name }) => name);

export function definitionOf(name: ProviderName): ProviderDefinition {
  return listedAs(name);
}

/** Loads the code of a provider, and returns the function that opens it. Fails if its packages are not installed. */
export async function loadProvider(name: ProviderName) {
  return loadInstalled(async () => listedAs(name).load());
}

/** `make run` installs what serving needs; a provider in a cloud has packages of its own. */
export async function loadInstalled<T>(load: () => Promise<T>): Promise<Result<T>> {
  try {
    return succeed(await load());
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    const [, name] = /^Cannot find package '([^']+)'/.exec(error.message) ?? [];
    if (name === undefined) throw error;
    return fail({
      code: 'packages_missing',
      message: `The package ${name} is not installed.`,
      remedy: providers.flatMap(({ packagesRemedy }) => packagesRemedy ?? []).join(' '),
    });
  }
}

/** A provider from the database. */
export function readProvider(stored: string): ProviderName {
  const name = providerNames.find((known) => known === stored);
  if (name === undefined) throw new Error(`unknown provider in the database: ${stored}`);
  return name;
}

/** What a destroy of a server that runs with `own` does with a VM: it goes with its row, only its row goes, or it stays. */
export type Fate = 'destroyed' | 'removed' | 'stays';

/** The only comparison of two providers: everybody else asks this, or what one is and needs. */
export function fateOf({ provider }: { readonly provider: ProviderName }, own: ProviderName): Fate {
  if (!listedAs(provider).creates) return 'removed';
  return provider === own ? 'destroyed' : 'stays';
}

/** Whether a server that runs with `own` creates and destroys this VM. */
export function isOwn(vm: { readonly provider: ProviderName }, own: ProviderName): boolean {
  return fateOf(vm, own) === 'destroyed';
}

/** The provider of VMs that started elsewhere. */
export const registeredProvider: ProviderName = first(({ creates }) => !creates);
/** The provider that is used where none is configured. */
export const defaultProvider: ProviderName = first(({ isDefault }) => isDefault === true);

/** Their names. */
export function providersWhere(is: (definition: ProviderDefinition) => boolean): ProviderName[] {
  return providers.filter(is).map(({ name }) => name);
}

/** For documents: `PROVIDER=a` or `PROVIDER=b`. */
export function providersThat(is: (definition: ProviderDefinition) => boolean): string {
  const names = providersWhere(is).map((name) => `\`PROVIDER=${name}\``);
  return new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(names);
}

function listedAs(name: ProviderName): ListedProvider {
  const found = listed.find((definition) => definition.name === name);
  if (!found) throw new Error(`there is no provider ${name}`);
  return found;
}

function first(is: (definition: ProviderDefinition) => boolean): ProviderName {
  const found = providers.find(is);
  if (!found) throw new Error('the list of providers is not complete');
  return found.name;
}
