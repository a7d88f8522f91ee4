// Building and announcing: small helpers around the platform's own DOM.

/** An element with properties (`class`, `on…` handlers, ARIA and other attributes) and children; null children are left out. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }

    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else if (name === 'class') {
      element.className = value;
    } else if (name in element && !name.startsWith('aria') && name !== 'list' && name !== 'form') {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? '' : value);
    }
  }

  element.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
}

/** Sets a text only when it changes: live regions then speak once. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

let polite, assertive;

/** The two live regions, which must be in the page before anything is announced. */
export function liveRegions() {
  polite = h('div', { class: 'visually-hidden', role: 'status', 'aria-live': 'polite' });
  assertive = h('div', { class: 'visually-hidden', role: 'alert', 'aria-live': 'assertive' });
  return [polite, assertive];
}

/** Says something to screen readers: politely, or at once when it cannot wait (a seat that was lost, a hold about to end). */
export function announce(text, urgent = false) {
  const region = urgent ? assertive : polite;
  // The same words twice are to be spoken twice.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/** Runs until the signal aborts: `action` now and then every `milliseconds`, and again when the page is shown after being hidden. */
export function repeat(action, milliseconds, signal) {
  if (signal.aborted) {
    return;
  }

  action();
  const timer = setInterval(action, milliseconds);
  const shown = () => document.visibilityState === 'visible' && action();
  document.addEventListener('visibilitychange', shown);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', shown);
  });
}

/** Resolves after a time, or when the page comes back online or into view; rejects when the signal aborts. */
export function pause(milliseconds, signal, wake = []) {
  return new Promise((resolve, reject) => {
    const events = [[window, 'online'], ...wake];
    const end = then => () => {
      clearTimeout(timer);
      events.forEach(([target, name]) => target.removeEventListener(name, done));
      signal?.removeEventListener('abort', abort);
      then();
    };
    const done = end(resolve);
    const abort = end(() => reject(new DOMException('', 'AbortError')));
    const timer = setTimeout(done, milliseconds);
    events.forEach(([target, name]) => target.addEventListener(name, done));
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) {
      abort();
    }
  });
}

/** An error in place, which is also spoken. */
export function errorBox(text, ...actions) {
  announce(text, true);
  return h('div', { class: 'notice error' }, h('p', null, text), actions.length ? h('div', { class: 'actions' }, actions) : null);
}
