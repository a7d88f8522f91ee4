// The shows: every concert with its dates, prices and seats left.
import { h, replace, repeat } from './dom.js';
import { dateTime, money, t, number } from './i18n.js';
import * as catalogue from './catalogue.js';
import { now } from './api.js';

const refreshMilliseconds = 10_000;

export async function showsView(_, signal) {
  const list = h('ul', { class: 'concerts' });
  const more = h('button', { type: 'button', class: 'quiet', onclick: () => load(more.cursor) }, t('shows.more'));
  const load = async cursor => {
    const page = await catalogue.concerts(cursor, signal);
    list.append(...page.items.map(concert => concertCard(concert, signal)));
    more.cursor = page.nextCursor;
    more.hidden = !page.nextCursor;
  };
  await load(null);
  return {
    title: t('shows.title'),
    element: h('div', null,
      h('div', { class: 'hero' }, h('h1', null, t('shows.title')), h('p', null, t('shows.lead'))),
      list.childElementCount ? list : h('p', { class: 'card' }, t('shows.none')), more),
  };
}

/** Its dates are read once it comes into view, and again while it is. */
function concertCard(concert, signal) {
  const dates = h('ul', { class: 'dates' }, h('li', { class: 'placeholder' }, t('loading')));
  const card = h('li', { class: 'card concert' }, h('h2', null, concert.title), dates);
  let visible = false, asked = 0;
  const refresh = async () => {
    if (visible && document.visibilityState === 'visible' && Date.now() - asked > refreshMilliseconds - 500) {
      asked = Date.now();
      try {
        const { items } = await catalogue.schedules(concert.concertId, signal);
        drawDates(dates, concert, items);
      } catch (error) {
        if (!signal.aborted) {
          replace(dates, h('li', { class: 'placeholder' }, t('shows.no-dates-now')));
        }
      }
    }
  };
  const observer = new IntersectionObserver(entries => {
    visible = entries.at(-1).isIntersecting;
    refresh();
  });
  observer.observe(card);
  signal.addEventListener('abort', () => observer.disconnect());
  repeat(refresh, refreshMilliseconds, signal);
  return card;
}

function drawDates(list, concert, schedules) {
  const focused = document.activeElement?.closest?.('.dates') === list ? document.activeElement.getAttribute('href') : null;
  replace(list, schedules.length === 0 ? h('li', { class: 'placeholder' }, t('shows.no-dates')) : schedules.map(schedule => {
    const [left, over] = [schedule.availableSeats, Date.parse(schedule.startsAt) <= now()];
    const href = `#/show/${schedule.scheduleId}`;
    return h('li', { class: 'date' },
      h('div', { class: 'when' }, h('time', { datetime: schedule.startsAt }, dateTime(schedule.startsAt))),
      h('div', { class: 'price' }, t('shows.from', { price: money(schedule.price) })),
      h('div', { class: left === 0 ? 'left none' : 'left' },
        h('meter', { min: 0, max: schedule.seatCount, value: left, 'aria-label': t('shows.left-label') }),
        h('span', null, left === 0 ? t('shows.sold-out') : t('shows.left', { n: left, of: number(schedule.seatCount) }))),
      over ? h('span', { class: 'over' }, t('shows.over')) : h('a', {
        class: 'button', href, 'aria-label': t('shows.choose-label', { title: concert.title, when: dateTime(schedule.startsAt) }),
      }, t('shows.choose')));
  }));
  if (focused) {
    list.querySelector(`[href="${focused}"]`)?.focus();
  }
}
