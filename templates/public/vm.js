// What on the page of one machine needs a script: its destruction, which is sent as DELETE.
for (const place of document.querySelectorAll('[data-scripted]')) place.hidden = false;

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.dataset.method !== 'delete') return;
  event.preventDefault();
  void destroy(form);
});

async function destroy(form) {
  const button = form.querySelector('button');
  button.disabled = true;
  const failed = document.querySelector('[data-failed]');
  failed.hidden = true;
  try {
    const response = await fetch(form.getAttribute('action'), {
      method: 'DELETE',
      headers: { Accept: 'application/json' },
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    location.assign(answer.id ? `/admin/operations/${answer.id}` : '/admin/instances');
  } catch (error) {
    failed.textContent = `${failed.dataset.failed} ${error instanceof TypeError ? '' : error.message}`.trim();
    failed.hidden = false;
    button.disabled = false;
  }
}
