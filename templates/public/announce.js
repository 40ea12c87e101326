// Says something to who listens to the page instead of looking at it.
const announcer = document.querySelector('[data-announcer]');

export function announce(text) {
  announcer.textContent = '';
  // The same words twice are two announcements: emptied and filled within a frame they would be none.
  requestAnimationFrame(() => {
    announcer.textContent = text;
  });
}
