// A shorter sentence in the place of a longer one must not pull the page up under the reader.

/** From now on the element is at least as high as it is. */
export function keepHeight(element) {
  element.style.minHeight = `${element.offsetHeight}px`;
}
