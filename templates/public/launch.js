// Suggests a number of machines as people are typed, and says what they cost until the end.
const suggest = document.querySelector('[data-suggest]');
const number = document.querySelector('#num-vms');
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
showTotal();

function showTotal() {
  if (!total || !number) return;
  const machines = Number(number.value);
  if (!Number.isInteger(machines) || machines < 1) return;
  const text = `${total.dataset.about} ${(machines * Number(total.dataset.each)).toFixed(2)} USD`;
  if (total.textContent !== text) total.textContent = text;
}
