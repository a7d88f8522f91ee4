// One's bookings, newest first.
import { h, replace, errorBox } from './dom.js';
import { t, time } from './i18n.js';
import * as bookings from './bookings.js';
import * as catalogue from './catalogue.js';
import { now } from './api.js';
import { facts } from './show-head.js';
import { seatTable } from './view-booking.js';
import { words } from './problems.js';

export async function bookingsView(_, signal) {
  const list = h('ul', { class: 'bookings' });
  const more = h('button', { type: 'button', class: 'quiet', onclick: () => load(more.cursor) }, t('bookings.more'));
  const load = async cursor => {
    const page = await bookings.list(cursor, signal);
    list.append(...await Promise.all(page.items.map(booking => card(booking, signal))));
    more.cursor = page.nextCursor;
    more.hidden = !page.nextCursor;
  };
  await load(null);
  return {
    title: t('bookings.title'),
    element: h('div', null, h('div', { class: 'hero' }, h('h1', null, t('bookings.title'))),
      list.childElementCount ? list : h('div', { class: 'card narrow center' }, h('p', null, t('bookings.none')),
        h('a', { class: 'button primary', href: '#/' }, t('nav.shows'))), more),
  };
}

async function card(booking, signal) {
  const plan = await catalogue.plan(booking.scheduleId, signal);
  const held = booking.status === 'HELD' && Date.parse(booking.heldUntil) > now();
  const status = booking.status === 'HELD' && !held ? 'EXPIRED' : booking.status;
  const message = h('div');
  const release = async () => {
    replace(message);
    try {
      await bookings.release(booking.bookingId);
    } catch (error) {
      if (error.code !== 'hold_expired') {
        replace(message, errorBox(words(error)));
        return;
      }
    }

    const fresh = await card(await bookings.get(booking.bookingId, signal), signal);
    element.replaceWith(fresh);
    fresh.querySelector('h2').focus();
  };
  const element = h('li', { class: 'card' },
    h('div', { class: 'hall-head' }, h('h2', { tabIndex: -1 }, plan.title),
      h('span', { class: `badge ${status.toLowerCase()}` }, t(`status.${status}`))),
    facts(plan),
    seatTable(booking),
    held ? h('p', { class: 'hint' }, t('bookings.until', { time: time(booking.heldUntil) })) : null,
    held ? h('div', { class: 'actions' },
      h('a', { class: 'button primary', href: `#/booking/${booking.bookingId}` }, t('choose.to-payment')),
      h('button', { type: 'button', class: 'quiet', onclick: release }, t('booking.release'))) : null,
    message);
  return element;
}
