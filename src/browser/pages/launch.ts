// Suggests a number of machines while the number of people is typed, and says what the machines cost.
import { COST_UNKNOWN, costSentence, readWholeNumber } from '../../pages/launch-cost.ts';
import { readPeople, suggestMachines } from '../../vms/launch-size.ts';
import { dataOf, find, setText } from '../dom.ts';

const people = find(HTMLInputElement, '#people');
const suggestion = find(HTMLElement, '[data-suggested]');
const number = find(HTMLInputElement, '#num-vms');
const hours = find(HTMLInputElement, '#hours');
const cost = find(HTMLElement, '[data-cost]');

people?.addEventListener('input', suggest);
number?.addEventListener('input', showCost);
hours?.addEventListener('input', showCost);
showCost();

function suggest(): void {
  const count = readPeople(people?.value ?? '');
  if (count === null || !number || !suggestion) return;
  const most = number.max === '' ? Number.MAX_SAFE_INTEGER : Number(number.max);
  const machines = Math.min(suggestMachines(count), most);
  number.value = String(machines);
  suggestion.textContent = `${dataOf(suggestion, 'text')} ${machines}`;
  showCost();
}

function showCost(): void {
  if (!cost || !number) return;
  const typedHours = hours?.value.trim() ?? '';
  const wanted = {
    machines: readWholeNumber(number.value),
    hours: readWholeNumber(typedHours === '' ? dataOf(cost, 'defaultHours') : typedHours),
  };
  setText(cost, costSentence(Number(dataOf(cost, 'price')), wanted) ?? COST_UNKNOWN);
}
