// All concerts, and adding one.
import { h, replace } from './dom.js';
import { t } from './i18n.js';
import { asUser } from './session.js';
import { read } from './catalogue.js';
import { Live, Pages } from './console-live.js';
import { field, form } from './console-form.js';

export async function concertsView(_, signal) {
  await asUser('GET', '/v1/admin/queues?limit=1', { signal }); // the catalogue is public: this asks whether one is an organiser
  const list = h('ul', { class: 'rows' });
  const pages = new Pages(() => live.refresh());
  let shown = null;
  const live = new Live(
    () => read(`/v1/concerts?limit=20${pages.query}`, signal),
    page => {
      pages.update(page.nextCursor);
      if (page !== shown) { // an answer that has not changed is the same object
        shown = page;
        const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
        replace(list, page.items.length === 0 ? h('li', { class: 'placeholder' }, t('concerts.none')) : page.items.map(concert =>
          h('li', null, h('a', { href: `#/concert/${concert.concertId}` }, concert.title),
            h('span', { class: 'count' }, t('concerts.queue', { queue: concert.queue })))));
        focused && list.querySelector(`[href="${focused}"]`)?.focus();
      }
    },
    signal);
  await live.start();
  return {
    title: t('nav.concerts'),
    element: h('div', null,
      h('div', { class: 'hero' }, h('h1', null, t('nav.concerts')), h('p', null, t('concerts.lead'))),
      h('div', { class: 'choose' },
        h('section', { class: 'card', 'aria-labelledby': 'concerts' }, h('h2', { id: 'concerts' }, t('concerts.all')),
          live.element, list, pages.element),
        h('section', { class: 'card', 'aria-labelledby': 'add' }, h('h2', { id: 'add' }, t('concert.add')), addForm()))),
  };
}

function addForm() {
  const title = field({ id: 'concert-title', label: t('concert.title'), required: true, maxLength: 200, autocomplete: 'off' });
  const queue = field({
    id: 'concert-queue', label: t('concert.queue'), hint: t('concert.queue-hint'), required: true, value: 'main', maxLength: 64,
    pattern: '[a-z0-9_\\-]+', title: t('concert.queue-pattern'), autocomplete: 'off', spellcheck: false,
  });
  return form({
    children: [title.element, queue.element],
    go: t('concert.add'),
    send: async () => {
      const body = { title: title.input.value, queue: queue.input.value };
      const { body: made } = await asUser('POST', '/v1/admin/concerts', { body, repeatable: false });
      sessionStorage.setItem('cb.added', made.title); // the catalogue may name it a moment later
      location.hash = `#/concert/${made.concertId}`;
      return t('concert.added', { title: made.title });
    },
  });
}
