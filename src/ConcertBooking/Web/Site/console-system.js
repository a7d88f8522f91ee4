// What lies behind: servers, events on their way, events that were given up.
import { setReachable } from './api.js';
import { announce, h, replace, setText } from './dom.js';
import { number, span, t } from './i18n.js';
import { asUser } from './session.js';
import { Live } from './console-live.js';
import { words } from './problems.js';

const servers = { mysql: 'MySQL', redis: 'Redis', kafka: 'Kafka' };

export async function systemView(_, signal) {
  const events = eventsCard(signal);
  const parts = serversCard(signal);
  await events.live.start(); // first, for it needs the role
  await parts.live.start();
  return {
    title: t('nav.system'),
    element: h('div', null,
      h('div', { class: 'hero' }, h('h1', null, t('nav.system')), h('p', null, t('system.lead'))),
      h('div', { class: 'two' }, parts.element, events.element)),
  };
}

/** The readiness of the instance that answers, which is 503 while it is not ready: not a failure here. */
async function readiness(signal) {
  try {
    const response = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) });
    return await response.json();
  } catch (error) {
    signal.aborted || setReachable(false);
    throw error;
  }
}

function serversCard(signal) {
  const status = h('p', { class: 'overall' });
  const badges = Object.fromEntries(Object.keys(servers).map(key => [key, h('span', { class: 'badge' })]));
  let before = null;
  const live = new Live(readiness, report => {
    setReachable(true);
    setText(status, t(`system.${report.status}`));
    Object.entries(badges).forEach(([key, badge]) => {
      const up = report.checks[key] === 'up';
      badge.className = `badge ${up ? 'confirmed' : 'down'}`;
      setText(badge, t(up ? 'system.up' : 'system.down'));
    });
    const now = Object.keys(servers).map(key => `${servers[key]}: ${badges[key].textContent}`).join(', ');
    before !== null && before !== now && announce(now);
    before = now;
  }, signal);
  return {
    live,
    element: h('section', { class: 'card', 'aria-labelledby': 'servers' },
      h('h2', { id: 'servers' }, t('system.servers')), live.element, status,
      h('ul', { class: 'rows' }, Object.entries(servers).map(([key, name]) => h('li', null, h('span', null, name), badges[key]))),
      h('p', { class: 'hint' }, t('system.servers-hint'))),
  };
}

function eventsCard(signal) {
  const values = { pending: h('dd'), oldest: h('dd'), dead: h('dd'), letters: h('dd') };
  const figure = (key, value) => h('div', { class: 'figure' }, h('dt', null, t(key)), value);
  const message = h('div', { class: 'messages' });
  const button = h('button', { type: 'button', class: 'primary', onclick: () => replay() }, t('events.replay'));
  const none = h('p', { class: 'hint' }, t('events.none-dead'));
  let busy = false, dead = 0;
  const draw = () => {
    none.hidden = dead > 0;
    button.disabled = dead === 0 && !busy && document.activeElement !== button;
  };
  const live = new Live(
    async () => (await asUser('GET', '/v1/admin/events', { signal })).body,
    ({ outbox, deadLetters }) => {
      dead = outbox.dead + (deadLetters ?? 0);
      setText(values.pending, number(outbox.pending));
      setText(values.oldest, outbox.pending > 0 ? span(outbox.oldestSeconds * 1000) : '–');
      setText(values.dead, number(outbox.dead));
      setText(values.letters, deadLetters === null ? t('events.unknown') : number(deadLetters));
      draw();
    },
    signal);
  const replay = async () => {
    if (busy || dead === 0) {
      return;
    }

    busy = true;
    button.setAttribute('aria-busy', 'true');
    replace(message, h('p', { class: 'hint' }, t('events.replaying')));
    try {
      const { body } = await asUser('POST', '/v1/admin/events/replay', { body: { state: 'dead' } });
      const text = body.deadLetters === null ? t('events.replayed-outbox', { n: body.outbox })
        : t('events.replayed', { n: body.outbox + body.deadLetters });
      replace(message, h('p', { class: 'notice good' }, text));
      announce(text);
      live.refresh();
    } catch (error) {
      const text = t('events.failed', { why: words(error) });
      replace(message, h('p', { class: 'notice error' }, text));
      announce(text, true);
    } finally {
      busy = false;
      button.removeAttribute('aria-busy');
      draw();
    }
  };
  return {
    live,
    element: h('section', { class: 'card', 'aria-labelledby': 'events' }, h('h2', { id: 'events' }, t('events.title')), live.element,
      h('dl', { class: 'figures' }, figure('events.pending', values.pending), figure('events.oldest', values.oldest),
        figure('events.dead', values.dead), figure('events.letters', values.letters)),
      h('p', { class: 'hint' }, t('events.hint')), h('div', { class: 'actions' }, button), none, message),
  };
}
