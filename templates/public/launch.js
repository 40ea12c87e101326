// Suggests a number of machines as people are typed, and says what they cost until their end, as both are typed.
const suggest = document.querySelector('[data-suggest]');
const number = document.querySelector('#num-vms');
const hours = document.querySelector('#hours');
const total = document.querySelector('[data-total]');
const PEOPLE = /^\s*\d{1,5}\s*$/;

if (suggest && number) {
  const people = suggest.querySelector('#people');
  const said = suggest.querySelector('[data-suggested]');
  people.addEventListener('input', () => {
    const count = PEOPLE.test(people.value) ? Number(people.value) : 0;
    if (count < 1) return;
    const spare = Math.ceil(count / Number(suggest.dataset.oneSpareIn));
    const machines = number.max === '' ? count + spare : Math.min(count + spare, Number(number.max));
    number.value = String(machines);
    said.textContent = `${said.dataset.text} ${machines}`;
    showTotal();
  });
}
number?.addEventListener('input', showTotal);
hours?.addEventListener('input', showTotal);
showTotal();

/** As the server says it (totalSentence in src/pages/words/fleet.ts). */
function showTotal() {
  if (!total || !number) return;
  const { price, defaultHours, text: sentence } = JSON.parse(total.dataset.sum);
  const machines = Number(number.value);
  const span = !hours || hours.value === '' ? defaultHours : Number(hours.value);
  const isKnown = [machines, span].every((each) => Number.isInteger(each) && each >= 1);
  const text = isKnown
    ? sentence
        .replace('{usd}', (price * machines * span).toFixed(2))
        .replace('{n}', String(machines))
        .replace('{h}', String(span))
    : total.dataset.unknown;
  if (total.textContent !== text) total.textContent = text;
}
